"""Costs of a config of channels, exact and without building anything.

A layer's FLOPs and parameters are proportional to its kept inputs and to its kept outputs, so the cost of a network is
bilinear in the levels of its groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import nn

from search_spaces.allocation import FloatArray
from search_spaces.config import Config
from search_spaces.groups import Group, dense_config
from search_spaces.layouts.layout import Axis, Layout, Side


@dataclass(frozen=True, slots=True)
class Term:
    """A part of the cost: `cost` when dense, proportional to how much of every side in `sides` is kept."""

    cost: float
    sides: tuple[Side, ...]


class NetworkCost:
    """A cost of a config: `fixed` plus terms that shrink with the sides of layers. Same calls as an additive cost."""

    def __init__(self, space: Layout, terms: tuple[Term, ...], *, fixed: float) -> None:
        self.fixed = fixed
        self._space, self._terms = space, terms
        self.dense = fixed + sum(term.cost for term in terms)

    def total(self, config: Config) -> float:
        """Return the cost of the network that `config` describes."""
        kept = self._space.kept_counts(config)
        return self.fixed + sum(self._scaled(term, kept) for term in self._terms)

    def ratio(self, config: Config) -> float:
        """Return the cost as a ratio to the dense network's."""
        return self.total(config) / self.dense

    def of_levels(self, group: Group) -> FloatArray:
        """Return what each of the group's levels adds to the network, all other groups dense: `(levels,)`."""
        dense = dense_config(self._space.groups)
        without, *costs = (self.total(dense.replaced({group.name: level})) for level in (0, *group.levels))
        return np.array(costs) - without

    def _scaled(self, term: Term, kept: Mapping[Side, int]) -> float:
        cost = term.cost
        for side in term.sides:  # multiply first: the product is a whole number of dense costs, so no digit is lost
            cost = cost * kept[side] / self._space.sizes[side]
        return cost


def network_flops_cost(space: Layout, flops_by_layer: Mapping[str, float]) -> NetworkCost:
    """Return FLOPs, given those of every layer of the dense network by path."""
    terms = tuple(Term(flops, _sides(space, path)) for path, flops in flops_by_layer.items())
    return NetworkCost(space, terms, fixed=0.0)


def network_parameters_cost(model: nn.Module, space: Layout) -> NetworkCost:
    """Return the number of parameters, shared ones once."""
    terms = tuple(
        Term(parameter.numel(), _parameter_sides(space, name, parameter.ndim))
        for name, parameter in model.named_parameters()
    )
    return NetworkCost(space, terms, fixed=0.0)


def _sides(space: Layout, path: str) -> tuple[Side, ...]:
    return tuple(side for axis in Axis if (side := (path, axis)) in space.sizes)


def _parameter_sides(space: Layout, name: str, ndim: int) -> tuple[Side, ...]:
    if (name, Axis.PARAMETER) in space.sizes:
        return ((name, Axis.PARAMETER),)
    sides = _sides(space, name.rpartition(".")[0])
    return tuple(side for side in sides if ndim > 1 or side[1] is not Axis.COLUMNS)
