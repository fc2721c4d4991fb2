"""Costs after all transforms: those of the family's own units, less what the others save in single layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from objectives.sparse_size import stored_bytes
from optimizer.costs import Cost
from search_spaces.allocation import FloatArray
from search_spaces.config import Config
from search_spaces.groups import Group, dense_config
from search_spaces.transforms.transform import LayerShape


@dataclass(frozen=True)
class Constant:
    """A cost that no config changes."""

    dense: float

    def total(self, config: Config) -> float:  # noqa: ARG002
        """Return the cost."""
        return self.dense

    def ratio(self, config: Config) -> float:  # noqa: ARG002
        """Return 1."""
        return 1.0

    def of_levels(self, group: Group) -> FloatArray:
        """Return nothing but zeros: `(levels,)`."""
        return np.zeros(len(group.levels))


@dataclass(frozen=True)
class Described:
    """A cost after all transforms: that of the family's own units, less what `shapes` of a config save in layers.

    `own` names the groups that the family prices, `groups` are those of all transforms; `model` is the dense one.
    """

    name: str
    family: Cost
    own: frozenset[str]
    groups: tuple[Group, ...]
    model: nn.Module
    shapes: Callable[[Config], Mapping[str, LayerShape]]

    @property
    def dense(self) -> float:
        """The cost of the dense model."""
        return self.family.dense

    def total(self, config: Config) -> float:
        """Return the cost of the model that `config` describes."""
        if self.name not in SAVED:
            return self.family.total(config)
        saved, shapes = SAVED[self.name], self.shapes(config)
        return self.family.total(config) - sum(saved(self._weight(path), shape) for path, shape in shapes.items())

    def ratio(self, config: Config) -> float:
        """Return the cost as a ratio to the dense model's."""
        return self.total(config) / self.dense

    def of_levels(self, group: Group) -> FloatArray:
        """Return what each of the group's levels adds to the cost, all other groups dense: `(levels,)`."""
        if group.name in self.own:
            return self.family.of_levels(group)
        dense = dense_config(self.groups)
        costs = np.array([self.total(dense.replaced({group.name: level})) for level in group.levels])
        return np.asarray(costs - costs[0])

    def _weight(self, path: str) -> Tensor:
        return self.model.get_parameter(f"{path}.weight")


def _saved_parameters(_: Tensor, shape: LayerShape) -> int:
    return math.prod(shape.weight) - shape.kept * shape.weights_per_unit


def _saved_bytes(dense: Tensor, shape: LayerShape) -> int:
    each = dense.element_size()
    stored = stored_bytes(shape.weight, shape.kept, weights_per_unit=shape.weights_per_unit, bytes_each=each)
    return math.prod(shape.weight) * each - stored


SAVED: Mapping[str, Callable[[Tensor, LayerShape], int]] = {"parameters": _saved_parameters, "size": _saved_bytes}
"""What zeros in a layer save; multiplications by zero take the time of any other."""
