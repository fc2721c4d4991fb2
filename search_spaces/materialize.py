"""Materialize: turn a config into a new, physically smaller model without masks."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from search_spaces.config import Config, Form
from search_spaces.groups import Group
from search_spaces.surgery import share_structure, shrink
from search_spaces.units import columns_of

Model = TypeVar("Model", bound=nn.Module)


class WeightSource(Protocol):
    """Where the order of units and the solved weights come from: the layer bank."""

    def kept_units(self, group: Group, level: int) -> Tensor:
        """Return the indices of the `level` most important units, ascending, int64 `(level,)`."""

    def solved(self, group: Group, level: int) -> tuple[Tensor, Tensor]:
        """Return the consumer's weight `(out, level * unit_size)` and bias `(out,)`, reconstructed for these units."""


def materialize(
    model: Model, groups: Sequence[Group], config: Config, source: WeightSource, *, share_weights: bool = False
) -> Model:
    """Return the smaller model that `config` describes; `model` is left as it is.

    With `share_weights` untouched layers share the tensors of `model`: cheap, for models that are only evaluated.
    Without, the result owns all of its weights and may be trained. Form SLICED takes the dense weights of the kept
    units as they are; RECONSTRUCTED takes the consumer's weights as solved by the bank.
    Raises `ConfigError` when the config does not fit the groups.
    """
    small = share_structure(model) if share_weights else copy.deepcopy(model)
    shrink(small, groups, config)
    levels = config.as_dict()
    with torch.no_grad():
        for group in groups:
            if levels[group.name] < group.units:
                _fill(small, model, group, levels[group.name], source, config.form)
    return small  # type: ignore[return-value]  # the copy has the model's type


def _fill(small: nn.Module, dense: nn.Module, group: Group, level: int, source: WeightSource, form: Form) -> None:
    columns = columns_of(source.kept_units(group, level), group.unit_size)
    if level > 0:
        for path in group.producers:
            _assign(small.get_submodule(path), *_rows(dense.get_submodule(path), columns))
    for path in group.consumers:
        weight, bias = (
            _columns(dense.get_submodule(path), columns) if form is Form.SLICED else source.solved(group, level)
        )
        _assign(small.get_submodule(path), weight if level > 0 else None, bias)


def _rows(linear: nn.Module, rows: Tensor) -> tuple[Tensor, Tensor | None]:
    return linear.weight[rows], None if linear.bias is None else linear.bias[rows]  # type: ignore[index]


def _columns(linear: nn.Module, columns: Tensor) -> tuple[Tensor, Tensor | None]:
    return linear.weight[:, columns], linear.bias  # type: ignore[index,return-value]


def _assign(module: nn.Module, weight: Tensor | None, bias: Tensor | None) -> None:
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None:
            getattr(module, name).copy_(value)
