"""What a request computes, by kinds: sums over the layers of a config, without building its model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from torch import nn

from search_spaces.config import Config
from search_spaces.layouts.layout import Axis, Side
from search_spaces.transforms.transform import LayerShape

Left = Mapping[Side, int]  # entries of sides of layers, after the transforms
FEW = (4, 8)  # bits with operators of their own: others are computed in floats
BASE = "request"


@dataclass(frozen=True)
class Computed:
    """Counts what the layers of `model` compute in a request, each at so many `positions`, by path.

    `left` and `changes` are what the transforms of a config leave of sides, and make of layers.
    """

    model: nn.Module
    positions: Mapping[str, float]
    left: Callable[[Config], Left]
    changes: Callable[[Config], Iterable[tuple[str, LayerShape]]]

    def __call__(self, config: Config) -> Mapping[str, float]:
        """Return multiplications, layers, and numbers that they write, by kind of layer and precision."""
        found = Counter[str]({BASE: 1})
        for layer, change, part in self._multiplied(config):
            _add(found, layer.kind(change), part, layer.positions)
        return found

    def widest(self, config: Config) -> float:
        """Return how many numbers the layer that has most of them reads and writes."""
        held = (layer.positions * sum(part[:2]) for layer, _, part in self._multiplied(config) if math.prod(part))
        return max(held, default=0.0)

    def _multiplied(self, config: Config) -> Iterator[tuple[_Layer, LayerShape | None, tuple[int, ...]]]:
        """Yield the layers with the shapes of their weights."""
        left, changes = self.left(config), dict(self.changes(config))
        for path, layer in self._layers.items():
            change = changes.get(path)
            shape = change.weight if change else layer.shape_after(left)
            for part in layer.parts(shape, change):
                yield layer, change, part

    @cached_property
    def _layers(self) -> Mapping[str, _Layer]:
        """The layers by path; tens of thousands of configs are counted."""
        found = {}
        for path, positions in self.positions.items():
            layer = self.model.get_submodule(path)
            shape = tuple(layer.get_parameter("weight").shape)
            found[path] = _Layer(path, type(layer).__name__, isinstance(layer, nn.Embedding), shape, positions)
        return found


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer of the dense model with its weight's `shape`, applied at so many `positions` of a request."""

    path: str
    name: str
    is_table: bool
    shape: tuple[int, ...]
    positions: float

    def shape_after(self, left: Left) -> tuple[int, ...]:
        """Return the shape of the weight after the transforms that left so many entries of sides."""
        rows, columns, *taps = self.shape
        return (left.get((self.path, Axis.ROWS), rows), left.get((self.path, Axis.COLUMNS), columns), *taps)

    def parts(self, shape: tuple[int, ...], change: LayerShape | None) -> list[tuple[int, ...]]:
        """Return the shapes of the weights that are multiplied: two where it is split, none of a look-up."""
        rows, *columns = shape
        if change is None or not change.is_split:
            return [] if self.is_table else [shape]
        return [(columns[0], change.kept)] if self.is_table else [(change.kept, *columns), (rows, change.kept)]

    def kind(self, change: LayerShape | None) -> str:
        """Return its type with its precision."""
        bits = change.bits if change and change.bits in FEW else None
        return f"{self.name} of {f'{bits} bits' if bits else 'floats'}"


def _add(found: Counter[str], kind: str, part: tuple[int, ...], positions: float) -> None:
    if math.prod(part) == 0:  # the layer is gone
        return
    found[f"multiplications, {kind}"] += positions * math.prod(part)  # type: ignore[assignment]  # a count of floats
    found[f"layers, {kind}"] += 1
    found[f"outputs, {kind}"] += positions * part[0]  # type: ignore[assignment]
