"""Materialize: turn a config of channels into a new, physically smaller network without masks."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

from search_spaces.config import Config, Form
from search_spaces.groups import Group, check_config
from search_spaces.layouts.layers import row_dim, weight_of
from search_spaces.layouts.layout import Axis, Layout, Side
from search_spaces.layouts.surgery import share_structure, shrink, sliced
from search_spaces.transforms.units.channels.solve import Refit

Model = TypeVar("Model", bound=nn.Module)


class ChannelSource(Protocol):
    """Where the order of units and the solved weights come from: the channel bank."""

    def kept_units(self, group: Group, level: int) -> Tensor:
        """Return the indices of the `level` most important units, ascending, int64 `(level,)`."""

    def refit(self, reader: str, columns: Tensor) -> Refit:
        """Return the weights of the layer at `reader`, all rows, solved for the `columns` that stay."""


def materialize_channels(
    model: Model, space: Layout, config: Config, source: ChannelSource, *, share_weights: bool = False
) -> Model:
    """Return the smaller network that `config` describes; `model` is left as it is.

    With `share_weights` untouched layers keep the very tensors of `model`. Form SLICED takes the dense weights as they
    are; RECONSTRUCTED takes those of the layers that read removed channels as solved by the bank, after which batch
    norms are best recalibrated. Raises `ConfigError` when the config does not fit the space.
    """
    check_config(config, space.groups)
    levels = config.as_dict()
    kept = {
        group.name: source.kept_units(group, levels[group.name])
        for group in space.groups
        if levels[group.name] < group.units
    }
    stays = space.kept_entries(kept)
    small = share_structure(model)
    with torch.no_grad():
        shrink(small, space, kept)
        if config.form is not Form.SLICED:
            _refit_readers(small, stays, source)
        if not share_weights:
            _own_weights(small)
    return small  # type: ignore[return-value]  # the copy has the model's type


def outline_channels(model: Model, space: Layout, config: Config) -> Model:
    """Return a network with the shapes of `config`, its entries the first of every side."""
    check_config(config, space.groups)
    levels = config.as_dict()
    kept = {g.name: torch.arange(levels[g.name]) for g in space.groups if levels[g.name] < g.units}
    return sliced(model, space, kept)


def _refit_readers(small: nn.Module, stays: Mapping[Side, Tensor], source: ChannelSource) -> None:
    for (path, axis), columns in stays.items():
        if axis is Axis.COLUMNS:
            _put(small, path, source.refit(path, columns), stays.get((path, Axis.ROWS)))


def _put(small: nn.Module, path: str, refit: Refit, rows: Tensor | None) -> None:
    layer = small.get_submodule(path)
    like = weight_of(layer)
    trains = cast("Tensor", layer.weight).requires_grad
    layer.weight = nn.Parameter(_picked(refit.weight, rows, row_dim(layer)).to(like), trains)
    if refit.shift is None:
        return
    shift = _picked(refit.shift, rows, 0).to(like)
    if refit.norm is not None:
        norm = small.get_submodule(refit.norm)
        norm.running_mean = cast("Tensor", norm.running_mean) - shift
    else:
        bias = cast("Tensor", layer.bias)
        layer.bias = nn.Parameter(bias.detach() + shift, bias.requires_grad)


def _picked(tensor: Tensor, entries: Tensor | None, dim: int) -> Tensor:
    return tensor if entries is None else tensor.index_select(dim, entries.to(tensor.device))


def _own_weights(model: nn.Module) -> None:
    memo: dict[int, object] = {}  # tied tensors stay tied
    for module in model.modules():
        module._parameters = copy.deepcopy(module._parameters, memo)
        module._buffers = copy.deepcopy(module._buffers, memo)
