"""Blocks: what takes the place of attention without heads and of an FFN without neurons, a constant output."""

from __future__ import annotations

import torch
from torch import nn

from search_spaces.layouts.layout import Block


class Constant(nn.Module):
    """What is left of a linear layer without inputs: its bias, the block's mean contribution."""

    def __init__(self, features: int, *, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(features, dtype=dtype, device=device))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return the bias for every token of `hidden`: `(batch, tokens, any)` -> `(batch, tokens, features)`."""
        bias = self.bias if torch.is_grad_enabled() else self.bias.detach()  # torch's counter fails on its views
        return bias.expand(*hidden.shape[:-1], -1)


class NoAttention(nn.Module):
    """Takes the place of attention without heads: passes hidden states to the constant, or holds it and calls it."""

    def __init__(self, name: str = "", output: Constant | None = None) -> None:
        super().__init__()
        self.name = name
        if output is not None:
            self.add_module(name, output)

    def forward(self, hidden_states: torch.Tensor, *_: object, **__: object) -> tuple[torch.Tensor, None]:
        """Return the block's output and no attention weights, as the transformers module does."""
        return (self.get_submodule(self.name)(hidden_states) if self.name else hidden_states), None


def remove_block(model: nn.Module, block: Block, *, is_attention: bool) -> None:
    """Put, in place, a constant where the block's output layer was, and have its other modules pass on their input."""
    dense = model.get_submodule(block.output)
    constant = Constant(dense.out_features, dtype=dense.weight.dtype, device=dense.weight.device)  # type: ignore[arg-type]
    for path in block.dropped:
        owner, _, name = path.rpartition(".")
        setattr(model.get_submodule(owner), name, None)
    for path in block.bypassed:
        inner = block.output.removeprefix(f"{path}.")
        if not is_attention:
            model.set_submodule(path, nn.Identity())
        elif inner != block.output:  # the module holds its output layer
            model.set_submodule(path, NoAttention(inner, constant))
            return
        else:
            model.set_submodule(path, NoAttention())
    model.set_submodule(block.output, constant)
