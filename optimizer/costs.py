"""Costs of a config, computed without building its model; costs of a text encoder are sums over its groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import nn

from objectives.latency_table import LatencyTable
from search_spaces.allocation import FloatArray
from search_spaces.config import Config
from search_spaces.groups import Group, GroupKind


class Cost(Protocol):
    """A cost of a config, in its own unit. Additive costs are exact per level; others are exact only per config."""

    @property
    def dense(self) -> float:
        """The cost of the dense model."""

    def total(self, config: Config) -> float:
        """Return the cost of the model that `config` describes."""

    def ratio(self, config: Config) -> float:
        """Return the cost as a ratio to the dense model's."""

    def of_levels(self, group: Group) -> FloatArray:
        """Return the cost of each of the group's levels with all other groups dense: `(levels,)`, up to a constant."""


@dataclass(frozen=True)
class AdditiveCost:
    """A cost of a config: `fixed` plus one entry per group, looked up by the group's level."""

    fixed: float
    levels: Mapping[str, Mapping[int, float]]  # group -> level -> cost in the cost's own unit
    dense: float

    def total(self, config: Config) -> float:
        """Return the cost of the model that `config` describes."""
        return self.fixed + sum(self.levels[name][kept] for name, kept in config.kept)

    def ratio(self, config: Config) -> float:
        """Return the cost as a ratio to the dense model's."""
        return self.total(config) / self.dense

    def of_levels(self, group: Group) -> FloatArray:
        """Return the cost of each of the group's levels: `(levels,)`."""
        return np.array([self.levels[group.name][level] for level in group.levels])


def linear_cost(groups: Sequence[Group], per_unit: Mapping[str, float], dense: float) -> AdditiveCost:
    """Return the cost in which every kept unit of a group costs the same."""
    levels = {group.name: {level: level * per_unit[group.name] for level in group.levels} for group in groups}
    return AdditiveCost(dense - sum(per_unit[group.name] * group.units for group in groups), levels, dense)


def flops_cost(
    model: nn.Module, groups: Sequence[Group], lengths: Sequence[int] | np.ndarray, dense_flops: float
) -> AdditiveCost:
    """Return FLOPs per example, mean over unpadded `lengths`; `dense_flops` is the dense model's own count."""
    tokens, squares = float(np.mean(lengths)), float(np.mean(np.square(np.asarray(lengths, dtype=np.float64))))
    per_unit = {
        group.name: 2 * tokens * _weights_per_unit(model, group)
        + (4 * squares * group.unit_size if group.kind is GroupKind.HEADS else 0.0)  # QKᵀ and AV
        for group in groups
    }
    return linear_cost(groups, per_unit, dense_flops)


def parameters_cost(model: nn.Module, groups: Sequence[Group], dense_parameters: int) -> AdditiveCost:
    """Return the number of parameters."""
    per_unit = {group.name: float(_weights_per_unit(model, group) + _biases_per_unit(model, group)) for group in groups}
    return linear_cost(groups, per_unit, float(dense_parameters))


def _weights_per_unit(model: nn.Module, group: Group) -> int:
    rows = sum(_linear(model, path).in_features for path in group.producers)
    columns = sum(_linear(model, path).out_features for path in group.consumers)
    return group.unit_size * (rows + columns)


def _biases_per_unit(model: nn.Module, group: Group) -> int:
    return group.unit_size * sum(_linear(model, path).bias is not None for path in group.producers)


def _linear(model: nn.Module, path: str) -> nn.Linear:
    return model.get_submodule(path)  # type: ignore[return-value]  # groups name linear layers only


def table_cost(groups: Sequence[Group], table: LatencyTable) -> AdditiveCost:
    """Return the seconds that a latency table predicts."""
    levels = {
        group.name: {level: table.block_seconds((group.kind.value, level)) for level in group.levels}
        for group in groups
    }
    dense = table.base_s + sum(levels[group.name][group.units] for group in groups)
    return AdditiveCost(table.base_s, levels, dense)


class WeightedSum:
    """The cost that adds `weight * cost` over its parts."""

    def __init__(self, *parts: tuple[float, Cost]) -> None:
        self._parts = parts

    @property
    def dense(self) -> float:
        """The cost of the dense model."""
        return sum(weight * cost.dense for weight, cost in self._parts)

    def total(self, config: Config) -> float:
        """Return the cost of the model that `config` describes."""
        return sum(weight * cost.total(config) for weight, cost in self._parts)

    def ratio(self, config: Config) -> float:
        """Return the cost as a ratio to the dense model's."""
        return self.total(config) / self.dense

    def of_levels(self, group: Group) -> FloatArray:
        """Return the cost of each of the group's levels with all other groups dense, up to a constant: `(levels,)`."""
        levels = [weight * cost.of_levels(group) for weight, cost in self._parts]
        return np.asarray(np.sum(levels, axis=0))
