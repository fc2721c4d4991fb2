"""What a request computes, by kinds: sums over the layers of a config, without building its model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from torch import nn

from search_spaces.config import Config
from search_spaces.layouts.layout import Side
from search_spaces.transforms.rank.layers import shape_of
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
        left, changes = self.left(config), dict(self.changes(config))
        found = Counter[str]({BASE: 1})
        for path, positions in self.positions.items():
            layer, change = self.model.get_submodule(path), changes.get(path)
            shape = shape_of(layer, path, left)
            for part in _parts(layer, change.weight if change else shape, change):
                _add(found, _kind(layer, change), part, positions)
        return found


def _add(found: Counter[str], kind: str, part: tuple[int, ...], positions: float) -> None:
    if math.prod(part) == 0:  # the layer is gone
        return
    found[f"multiplications, {kind}"] += positions * math.prod(part)  # type: ignore[assignment]  # a count of floats
    found[f"layers, {kind}"] += 1
    found[f"outputs, {kind}"] += positions * part[0]  # type: ignore[assignment]


def _parts(layer: nn.Module, shape: tuple[int, ...], change: LayerShape | None) -> list[tuple[int, ...]]:
    """Return the shapes of the weights that are multiplied: two where the layer is split, none of a look-up."""
    rows, *columns = shape
    is_table = isinstance(layer, nn.Embedding)
    if change is None or not change.is_split:
        return [] if is_table else [shape]
    return [(columns[0], change.kept)] if is_table else [(change.kept, *columns), (rows, change.kept)]


def _kind(layer: nn.Module, change: LayerShape | None) -> str:
    bits = change.bits if change and change.bits in FEW else None
    return f"{type(layer).__name__} of {f'{bits} bits' if bits else 'floats'}"
