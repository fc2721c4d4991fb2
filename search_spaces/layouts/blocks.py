"""Blocks: what takes the place of attention without heads and of an FFN without neurons, a constant output."""

from __future__ import annotations

from torch import nn

from search_spaces.layouts.layout import Block
from search_spaces.layouts.modeling_pruned import NoAttention, constant_like


def remove_block(model: nn.Module, block: Block, *, is_attention: bool) -> None:
    """Put, in place, a constant where the block's output layer was, and have its other modules pass on their input."""
    constant = constant_like(model.get_submodule(block.output))  # type: ignore[arg-type]
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
