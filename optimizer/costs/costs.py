"""Costs of a config, computed without building its model; costs of a text encoder are sums over its groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol

import numpy as np
from torch import nn

from objectives.flops import FlopCount, flops_per_unit
from objectives.latency_table import LatencyTable
from search_spaces.allocation import FloatArray
from search_spaces.config import Config
from search_spaces.groups import Group, dense_config
from search_spaces.layouts.layout import Axis, Layout, Link


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
        return self.fixed + sum(map(self._by_choice.__getitem__, config.kept))

    @cached_property
    def _by_choice(self) -> Mapping[tuple[str, int], float]:
        """The entries by group and level together: asked for every group of every candidate."""
        return {(name, level): cost for name, costs in self.levels.items() for level, cost in costs.items()}

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
    layout: Layout, counted: Callable[[Config], FlopCount], lengths: Sequence[int] | np.ndarray
) -> AdditiveCost:
    """Return FLOPs per example, mean over unpadded `lengths`; every unit of a group costs the same.

    `counted` returns the count of the model with a config's shapes. Groups of equal shape are counted once, and the sum
    is checked on a config that halves all of them; where it differs, every group is counted.
    """
    dense = dense_config(layout.groups)
    full = counted(dense)
    whole = full.mean(lengths)

    def per_unit(group: Group) -> float:
        level = _half(group)
        if level == group.units:
            return 0.0  # it never changes
        smaller = counted(dense.replaced({group.name: level}))
        return flops_per_unit(full, smaller, removed=group.units - level, lengths=lengths)

    alike: dict[object, float] = {}
    for group in layout.groups:
        shape = _shape_of(layout, group)
        alike[shape] = alike[shape] if shape in alike else per_unit(group)
    each = {group.name: alike[_shape_of(layout, group)] for group in layout.groups}
    cost = linear_cost(layout.groups, each, whole)
    halved = dense.replaced({group.name: _half(group) for group in layout.groups})
    if not np.isclose(cost.total(halved), counted(halved).mean(lengths), rtol=1e-9):
        cost = linear_cost(layout.groups, {group.name: per_unit(group) for group in layout.groups}, whole)
    return cost


def _half(group: Group) -> int:
    """Return the level nearest to half of the units, one below all of them wherever there is one."""
    below = [level for level in group.levels if level < group.units]
    return min(below, key=lambda level: (abs(level - group.units / 2), -level), default=group.units)


def _shape_of(layout: Layout, group: Group) -> tuple[object, ...]:
    sides = [(link.axis, layout.sizes[link.side]) for link in layout.links[group.name]]
    return group.kind, group.units, group.unit_size, *sides


def parameters_cost(model: nn.Module, layout: Layout, dense_parameters: int) -> AdditiveCost:
    """Return the number of parameters. A consumer without a bias gets one when its group is reduced."""
    per_unit = {group.name: float(_parameters_per_unit(model, layout, group)) for group in layout.groups}
    cost = linear_cost(layout.groups, per_unit, float(dense_parameters))
    biases = {
        group.name: sum(c.out_features for c in map(partial(_linear, model), group.consumers) if c.bias is None)
        for group in layout.groups
    }
    levels = {
        group.name: {
            level: each + (biases[group.name] if level < group.units else 0)
            for level, each in cost.levels[group.name].items()
        }
        for group in layout.groups
    }
    return AdditiveCost(cost.fixed, levels, cost.dense)


def _parameters_per_unit(model: nn.Module, layout: Layout, group: Group) -> int:
    links = layout.links[group.name]
    return sum(len(link.entries) * _parameters_per_entry(model, link) for link in links) // group.units


def _parameters_per_entry(model: nn.Module, link: Link) -> int:
    if link.axis is Axis.PARAMETER:
        table = model.get_parameter(link.path)
        return table.numel() // table.shape[link.dim]
    layer = _linear(model, link.path)
    return layer.in_features + (layer.bias is not None) if link.axis is Axis.ROWS else layer.out_features


def _linear(model: nn.Module, path: str) -> nn.Linear:
    return model.get_submodule(path)  # type: ignore[return-value]  # groups name linear layers only


def table_cost(groups: Sequence[Group], table: LatencyTable) -> AdditiveCost:
    """Return the seconds that a latency table predicts; `groups` names a group once for each use of its layer."""
    uses = Counter(groups)
    levels = {
        group.name: {level: times * table.block_seconds((group.kind, level)) for level in group.levels}
        for group, times in uses.items()
    }
    dense = table.base_s + sum(levels[group.name][group.units] for group in uses)
    return AdditiveCost(table.base_s, levels, dense)


class Bytes:
    """The size of a network in bytes: its parameters and a constant part."""

    def __init__(self, parameters: Cost, dense: float, bytes_each: int) -> None:
        self._parameters, self.dense, self._each = parameters, dense, bytes_each

    def total(self, config: Config) -> float:
        """Return the bytes of a config."""
        return self.dense - self._each * (self._parameters.dense - self._parameters.total(config))

    def ratio(self, config: Config) -> float:
        """Return the bytes as a ratio to the dense network's."""
        return self.total(config) / self.dense

    def of_levels(self, group: Group) -> FloatArray:
        """Return the cost of each of the group's levels with all other groups dense, up to a constant: `(levels,)`."""
        return self._each * self._parameters.of_levels(group)


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
