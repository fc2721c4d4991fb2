"""Surgery: make a model physically smaller, shapes only, so that weights of the new shapes can be put in.

The same surgery serves candidates in memory and exported models being loaded: it needs counts, not weights.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import nn

from search_spaces.config import Config
from search_spaces.encoders import EncoderFamily, family_of, layers_path
from search_spaces.groups import Group, GroupKind, check_config

Module = TypeVar("Module", bound=nn.Module)


class Constant(nn.Module):
    """What is left of a linear layer without inputs: its bias, the block's mean contribution."""

    def __init__(self, features: int, *, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(features, dtype=dtype, device=device))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return the bias for every token of `hidden`: `(batch, tokens, any)` -> `(batch, tokens, features)`."""
        return self.bias.expand(*hidden.shape[:-1], -1)


class NoAttention(nn.Module):
    """Takes the place of attention without heads: passes the hidden states to the constant, or adds it itself."""

    def __init__(self, output: Constant | None = None) -> None:
        super().__init__()
        if output is not None:
            self.out_lin = output

    def forward(self, hidden_states: torch.Tensor, *_: object, **__: object) -> tuple[torch.Tensor, None]:
        """Return the block's output and no attention weights, as the transformers module does."""
        return (self.out_lin(hidden_states) if hasattr(self, "out_lin") else hidden_states), None


def share_structure(model: nn.Module) -> nn.Module:
    """Return a copy of the module tree whose parameters, buffers and configuration are those of `model` itself.

    A fifth of the time of a deep copy that spares the tensors: a candidate is stitched for every question asked of it.
    """
    copies: dict[nn.Module, nn.Module] = {}

    def copied(module: nn.Module) -> nn.Module:
        if module not in copies:
            copies[module] = twin = _twin(module)
            twin._modules = {name: child and copied(child) for name, child in module._modules.items()}
        return copies[module]

    return copied(model)


def shrink(model: nn.Module, groups: Sequence[Group], config: Config) -> None:
    """Replace, in place, the layers of every reduced group by uninitialised ones of the smaller shape.

    Raises `ConfigError` when the config does not fit the groups.
    """
    check_config(config, groups)
    family = family_of(model)
    for group in groups:
        kept = dict(config.kept)[group.name]
        if kept == group.units:
            continue
        if kept == 0:
            _remove_block(model, group, family)
        else:
            _narrow(model, group, kept)


def _narrow(model: nn.Module, group: Group, kept: int) -> None:
    width = kept * group.unit_size
    for path in group.producers:
        dense = model.get_submodule(path)
        model.set_submodule(path, _empty_linear(dense, dense.in_features, width))  # type: ignore[arg-type]
    for path in group.consumers:
        dense = model.get_submodule(path)
        model.set_submodule(path, _empty_linear(dense, width, dense.out_features))  # type: ignore[arg-type]


def _remove_block(model: nn.Module, group: Group, family: EncoderFamily) -> None:
    (consumer,) = group.consumers
    dense = model.get_submodule(consumer)
    constant = Constant(dense.out_features, dtype=dense.weight.dtype, device=dense.weight.device)  # type: ignore[arg-type]
    if group.kind is GroupKind.NEURONS:
        for path in group.producers:
            model.set_submodule(path, nn.Identity())
        model.set_submodule(consumer, constant)
        return
    attention = f"{layers_path(model)}.{group.layer}.{family.attention}"
    if family.attention_holds_output:
        model.set_submodule(attention, NoAttention(constant))
    else:
        model.set_submodule(attention, NoAttention())
        model.set_submodule(consumer, constant)


def _empty_linear(dense: nn.Linear, inputs: int, outputs: int) -> nn.Linear:
    linear = _twin(dense)
    linear.in_features, linear.out_features = inputs, outputs
    linear.weight = nn.Parameter(dense.weight.new_empty(outputs, inputs))
    if dense.bias is not None:
        linear.bias = nn.Parameter(dense.bias.new_empty(outputs))
    return linear


def _twin(module: Module) -> Module:
    """Return a shallow copy: the same tensors and children in its own dictionaries, so that changes stay local.

    A new layer would be initialised at random first, which takes longer than all the rest of a candidate's making.
    """
    twin = copy.copy(module)
    for name, value in vars(module).items():
        if isinstance(value, dict):  # parameters, buffers, children, hooks
            twin.__dict__[name] = value.copy()
    return twin
