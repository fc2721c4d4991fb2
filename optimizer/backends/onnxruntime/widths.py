"""Widths: numbers in a graph that follow the widths of layers, such as how many heads there are.

They are found in pairs of graphs: the dense model's, and that of a smaller model that was exported for it alone. A
number that differs, alone or as an entry of a shape, is one in proportion to a side of a layer near it. It follows that
side in the models after, whose graphs are checked like all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import nn

from search_spaces.layouts.modeling_pruned import FROM_RANK

Side = tuple[str, int]  # the path of a layer, and which dimension of its weight
Widths = Mapping[Side, int]


@dataclass(frozen=True, slots=True)
class Follows:
    """The entries of a number that follow a side: a mask of the number's shape."""

    side: Side
    entries: NDArray[np.bool_]


def widths_of(model: nn.Module) -> dict[Side, int]:
    """Return the outputs and inputs of every layer with a weight, by its path: dimensions 0 and 1."""
    found: dict[Side, int] = {}
    for path, layer in model.named_modules(remove_duplicate=False):
        weight = getattr(layer, "weight", None)
        if weight is None or weight.ndim < 2:
            continue
        outer = layer.get_submodule(FROM_RANK).weight if hasattr(layer, FROM_RANK) else weight
        found |= {(path, 0): len(outer), (path, 1): weight.shape[1]}
    return found


def followed(dense: Any, small: Any, widths: Widths, smaller: Widths) -> dict[int, Follows]:  # Any: onnx is untyped
    """Return, by its place in the dense model's template, what each number follows that differs in `small`.

    Nothing where the two do not have the same operators.
    """
    pairs = [*zip(dense.graph.node, small.graph.node, strict=False)]
    if len(dense.graph.node) != len(small.graph.node) or any(a.op_type != b.op_type for a, b in pairs):
        return {}
    found = {}
    for place, (before, after) in enumerate(pairs):
        if before.op_type == "Constant" and before.SerializeToString() != after.SerializeToString():
            follows = _nearest(_number(before), _number(after), before.doc_string, widths, smaller)
            if follows:
                found[place] = follows
    return found


def following(node: Any, follows: Follows, widths: Widths, smaller: Widths) -> Any:
    """Return a number of the dense model's template as it is in a smaller model."""
    side = follows.side
    if side not in smaller:  # in a block that was removed
        return node
    whole = _number(node)
    number = np.where(follows.entries, whole * smaller[side] // widths[side], whole)
    return helper.make_node("Constant", [], list(node.output), name=node.name, value=numpy_helper.from_array(number))


def _nearest(before: Any, after: Any, scope: str, widths: Widths, smaller: Widths) -> Follows | None:
    """Return the nearest side in proportion to the entries that differ: a width itself before a multiple of one."""
    if before.shape != after.shape or before.dtype.kind != "i":
        return None
    entries = before != after
    old, new = before[entries], after[entries]
    sides = [
        side
        for side, width in widths.items()
        if side in smaller and smaller[side] != width and np.array_equal(old * smaller[side], new * width)
    ]

    def nearness(side: Side) -> tuple[int, bool, int]:
        return _shared(side[0], scope), bool((old == widths[side]).all()), -len(side[0].split("."))

    return Follows(max(sides, key=nearness), entries) if sides else None


def _shared(path: str, scope: str) -> int:
    """Return how many names two paths have in common from the first one on."""
    pairs = zip(path.split("."), scope.split("."), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _number(node: Any) -> Any:
    (attribute,) = node.attribute
    value = helper.get_attribute_value(attribute)
    return numpy_helper.to_array(value) if attribute.name == "value" else np.array(value)
