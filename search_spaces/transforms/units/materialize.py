"""Materialize: turn a config into a new, physically smaller encoder without masks."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

from search_spaces.config import Config, Form
from search_spaces.groups import Group, check_config
from search_spaces.layouts.layout import Layout
from search_spaces.layouts.surgery import share_structure, shrink

Model = TypeVar("Model", bound=nn.Module)


class WeightSource(Protocol):
    """Where the order of units and the solved weights come from: the layer bank."""

    def kept_units(self, group: Group, level: int) -> Tensor:
        """Return the indices of the `level` most important units, ascending, int64 `(level,)`."""

    def solved(self, group: Group, level: int) -> tuple[Tensor, Tensor]:
        """Return the consumer's weight `(out, level * unit_size)` and bias `(out,)`, reconstructed for these units."""


def materialize(
    model: Model, layout: Layout, config: Config, source: WeightSource, *, share_weights: bool = False
) -> Model:
    """Return the smaller model that `config` describes; `model` is left as it is.

    With `share_weights` untouched layers share the tensors of `model`: cheap, for models that are only evaluated.
    Without, the result owns all of its weights and may be trained. Form SLICED takes the dense weights of the kept
    units as they are; RECONSTRUCTED takes the consumer's weights as solved by the bank.
    Raises `ConfigError` when the config does not fit the layout.
    """
    check_config(config, layout.groups)
    small = cast("Model", share_structure(model)) if share_weights else copy.deepcopy(model)
    reduced = list(_reduced(layout, config))
    with torch.no_grad():
        shrink(small, layout, {group.name: source.kept_units(group, level) for group, level in reduced})
        for group, level in reduced:
            for path in group.consumers:
                _give_bias(small.get_submodule(path))
                if config.form is Form.SLICED:
                    _fill(small.get_submodule(path), bias=cast("Tensor | None", model.get_submodule(path).bias))
                else:
                    weight, bias = source.solved(group, level)
                    _fill(small.get_submodule(path), weight=weight if level else None, bias=bias)
    return small


def outline(model: Model, layout: Layout, config: Config) -> Model:
    """Return a model with the shapes of `config`, its entries the first of every side, sharing other tensors.

    Raises `ConfigError` when the config does not fit the layout.
    """
    check_config(config, layout.groups)
    small = cast("Model", share_structure(model))
    reduced = list(_reduced(layout, config))
    shrink(small, layout, {group.name: torch.arange(level) for group, level in reduced})
    for group, _ in reduced:
        for path in group.consumers:
            _give_bias(small.get_submodule(path))
    return small


def _reduced(layout: Layout, config: Config) -> Iterator[tuple[Group, int]]:
    levels = config.as_dict()
    return ((group, levels[group.name]) for group in layout.groups if levels[group.name] < group.units)


def _give_bias(consumer: nn.Module) -> None:
    """Give a linear layer without a bias one: it takes up what the removed units contributed on average."""
    if consumer.bias is None:
        weight = cast("Tensor", consumer.weight)
        consumer.bias = nn.Parameter(weight.new_zeros(len(weight)), weight.requires_grad)


def _fill(module: nn.Module, **values: Tensor | None) -> None:
    for name, value in values.items():
        if value is not None:
            old = cast("nn.Parameter", getattr(module, name))
            setattr(module, name, nn.Parameter(value.detach().to(old, copy=True), old.requires_grad))
