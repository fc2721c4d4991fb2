"""Costs after all transforms: those of the family's own units, less what the others save in single layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from objectives.bit_operations import FULL, per_multiplication
from objectives.size import WrittenAs
from objectives.sparse_size import INDEX_BYTES, stored_bytes
from optimizer.costs.costs import Cost
from search_spaces.allocation import FloatArray
from search_spaces.config import Config
from search_spaces.groups import Group, dense_config
from search_spaces.layouts.stored import bytes_in
from search_spaces.transforms.transform import LayerShape

Saved = Callable[[str, LayerShape], float]  # of the layer at a path, in the unit of the cost


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
    """A cost after all transforms: that of the family's own units, less what other changes of layers save.

    `own` names the groups that the family prices, `groups` are those of all transforms; `changes` are those of a
    config, in their order, by path, and `saved` is what one of them saves.
    """

    family: Cost
    own: frozenset[str]
    groups: tuple[Group, ...]
    changes: Callable[[Config], Sequence[tuple[str, LayerShape]]]
    saved: Saved

    @property
    def dense(self) -> float:
        """The cost of the dense model."""
        return self.family.dense

    def total(self, config: Config) -> float:
        """Return the cost of the model that `config` describes."""
        return self.family.total(config) - sum(self.saved(path, shape) for path, shape in self.changes(config))

    def ratio(self, config: Config) -> float:
        """Return the cost as a ratio to the dense model's."""
        return self.total(config) / self.dense

    def of_levels(self, group: Group) -> FloatArray:
        """Return what each of the group's levels adds to the cost, all other groups dense: `(levels,)`.

        A level that costs more than a higher one counts as that: an embedding that is split multiplies, which a whole
        one does not.
        """
        if group.name in self.own:
            return self.family.of_levels(group)
        dense = dense_config(self.groups)
        costs = np.array([self.total(dense.replaced({group.name: level})) for level in group.levels])
        rising = np.minimum.accumulate(costs[::-1])[::-1]
        return np.asarray(rising - rising[0])


@dataclass(frozen=True)
class Savings:
    """What a change of one layer of `model` saves, by the names of costs.

    `positions` says at how many positions of an example each layer that may be split or stored in few bits is applied.
    """

    model: nn.Module
    written_as: WrittenAs
    positions: Mapping[str, float]

    def of(self, name: str) -> Saved:
        """Return what a change saves of a cost; of one without a law here it saves nothing."""
        laws: dict[str, Saved] = {
            "parameters": self._parameters,
            "size": self._bytes,
            "flops": self._flops,
            "bit_operations": self._bit_operations,
        }
        return laws.get(name, lambda _path, _shape: 0.0)

    def held(self, few: Collection[int]) -> Saved:
        """Return what a change saves of the weights in memory, where those of `few` bits are held as codes."""

        def saved(path: str, shape: LayerShape) -> float:
            each = self.model.get_parameter(f"{path}.weight").element_size()
            if not shape.bits:
                return each * self._parameters(path, shape) - INDEX_BYTES * shape.indices
            if shape.bits not in few:
                return 0.0
            return sum(each * math.prod(part) - bytes_in(part, shape.bits) for part in self._parts(path, shape))

        return saved

    def _parameters(self, _path: str, shape: LayerShape) -> float:
        if shape.bits:
            return 0.0
        return math.prod(shape.weight) - shape.kept * shape.weights_per_unit

    def _bytes(self, path: str, shape: LayerShape) -> float:
        each = self._dense_bytes(path)
        if shape.bits:
            saved = (each * math.prod(part) - bytes_in(part, shape.bits) for part in self._parts(path, shape))
            return sum(saved) if shape.bits < 8 * each else 0.0
        if shape.is_split or shape.indices:
            return each * self._parameters(path, shape) - INDEX_BYTES * shape.indices
        stored = stored_bytes(shape.weight, shape.kept, weights_per_unit=shape.weights_per_unit, bytes_each=each)
        return math.prod(shape.weight) * each - stored

    def _flops(self, path: str, shape: LayerShape) -> float:
        """Multiplications by zero take the time of any other; those of weights that are gone take none."""
        if not shape.is_split or shape.bits:
            return 0.0
        if isinstance(self.model.get_submodule(path), nn.Embedding):  # a look-up multiplies nothing
            return -2 * self.positions[path] * shape.kept * shape.weight[1]
        return 2 * self.positions[path] * self._parameters(path, shape)

    def _bit_operations(self, path: str, shape: LayerShape) -> float:
        """A look-up multiplies nothing, the second layer of a split embedding does."""
        if not shape.bits:
            return FULL / 2 * self._flops(path, shape)
        if shape.bits >= 8 * self._dense_bytes(path):
            return 0.0
        is_table = isinstance(self.model.get_submodule(path), nn.Embedding)
        multiplied = sum(map(math.prod, self._parts(path, shape)[is_table:]))
        return self.positions[path] * multiplied * (FULL - per_multiplication(shape.bits))

    def _parts(self, path: str, shape: LayerShape) -> list[tuple[int, ...]]:
        """Return the shapes of the weights that are stored: two where the layer is split."""
        rows, *columns = shape.weight
        if not shape.is_split:
            return [shape.weight]
        if isinstance(self.model.get_submodule(path), nn.Embedding):
            return [(rows, shape.kept), (columns[0], shape.kept)]
        return [(shape.kept, *columns), (rows, shape.kept)]

    def _dense_bytes(self, path: str) -> int:
        name = f"{path}.weight"
        return self.written_as(name, self.model.get_parameter(name)).itemsize
