"""Materialize: turn a config into a new, physically smaller model without masks."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

from search_spaces.config import Config, Form
from search_spaces.groups import Group, check_config
from search_spaces.layouts.layers import row_dim, weight_of
from search_spaces.layouts.layout import Axis, Layout
from search_spaces.layouts.surgery import sliced

Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Refit:
    """A reader's solved weight, all rows, in its layer's layout, and its `bias` `(out,)` where that changes.

    Where a batch norm behind takes the constant, `norm` is its path and `shift` `(out,)` what goes off its mean.
    """

    weight: Tensor
    bias: Tensor | None = None
    shift: Tensor | None = None
    norm: str | None = None


class WeightSource(Protocol):
    """Where the order of units and the solved weights come from: the bank."""

    def kept_units(self, group: Group, level: int) -> Tensor:
        """Return the indices of the `level` most important units, ascending, int64 `(level,)`."""

    def refit(self, path: str, columns: Tensor) -> Refit:
        """Return the weights of the layer at `path`, all rows, solved for the `columns` that stay."""


def materialize(
    model: Model, layout: Layout, config: Config, source: WeightSource, *, share_weights: bool = False
) -> Model:
    """Return the smaller model that `config` describes; `model` is left as it is.

    With `share_weights` untouched layers share the tensors of `model`: cheap, for models that are only evaluated.
    Without, the result owns all of its weights and may be trained. Form SLICED takes the dense weights of the kept
    units as they are; RECONSTRUCTED takes those of the layers that read removed units as solved by the bank, after
    which batch norms are best recalibrated. Raises `ConfigError` when the config does not fit the layout.
    """
    check_config(config, layout.groups)
    kept = {group.name: source.kept_units(group, level) for group, level in reduced(layout, config)}
    small = sliced(model, layout, kept)
    with torch.no_grad():
        _give_biases(model, small, layout, config)
        if config.form is not Form.SLICED:
            stays = layout.kept_entries(kept)
            for (path, axis), columns in stays.items():
                if axis is Axis.COLUMNS:
                    _put(small, path, source.refit(path, columns), stays.get((path, Axis.ROWS)))
        if not share_weights:
            _own_weights(small)
    return small


def outline(model: Model, layout: Layout, config: Config) -> Model:
    """Return a model with the shapes of `config`, its entries the first of every side, sharing other tensors.

    Raises `ConfigError` when the config does not fit the layout.
    """
    check_config(config, layout.groups)
    small = sliced(model, layout, {group.name: torch.arange(level) for group, level in reduced(layout, config)})
    _give_biases(model, small, layout, config)
    return small


def reduced(layout: Layout, config: Config) -> Iterator[tuple[Group, int]]:
    """Yield the groups that lose units, with their levels."""
    levels = config.as_dict()
    return ((group, levels[group.name]) for group in layout.groups if levels[group.name] < group.units)


def _give_biases(model: nn.Module, small: nn.Module, layout: Layout, config: Config) -> None:
    """Give readers a bias where the layout says so: the dense one, or zeros for what removed units contributed."""
    for group, _ in reduced(layout, config) if layout.gives_bias else ():
        for path in group.consumers:
            dense, reader = cast("nn.Linear", model.get_submodule(path)), cast("nn.Linear", small.get_submodule(path))
            bias = dense.weight.new_zeros(dense.out_features) if dense.bias is None else dense.bias.detach()
            reader.bias = nn.Parameter(bias, dense.weight.requires_grad)


def _put(small: nn.Module, path: str, refit: Refit, rows: Tensor | None) -> None:
    layer = small.get_submodule(path)
    if hasattr(layer, "weight"):  # a constant has none
        solved = _picked(refit.weight, rows, row_dim(layer)).to(weight_of(layer), copy=True)
        layer.weight = nn.Parameter(solved, cast("Tensor", layer.weight).requires_grad)
    if refit.bias is not None:
        old = cast("Tensor", layer.bias)
        layer.bias = nn.Parameter(_picked(refit.bias, rows, 0).to(old, copy=True), old.requires_grad)
    if refit.norm is not None and refit.shift is not None:
        norm = small.get_submodule(refit.norm)
        mean = cast("Tensor", norm.running_mean)
        norm.running_mean = mean - _picked(refit.shift, rows, 0).to(mean)


def _picked(tensor: Tensor, entries: Tensor | None, dim: int) -> Tensor:
    return tensor if entries is None else tensor.index_select(dim, entries.to(tensor.device))


def _own_weights(model: nn.Module) -> None:
    memo: dict[int, object] = {}  # tied tensors stay tied
    for module in model.modules():
        module._parameters = copy.deepcopy(module._parameters, memo)
        module._buffers = copy.deepcopy(module._buffers, memo)
