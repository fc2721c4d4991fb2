"""Widths: numbers in a graph that follow the widths of layers, such as how many heads there are.

They are found in pairs of graphs: the dense model's, and that of a smaller model that was exported for it alone. A
number that differs is one in proportion to a side of a layer near it. It follows that side in the models after, whose
graphs are checked like all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from typing import Any

import numpy as np
from onnx import helper, numpy_helper
from torch import nn

from search_spaces.layouts.modeling_pruned import FROM_RANK

Side = tuple[str, int]  # the path of a layer, and which dimension of its weight
Widths = Mapping[Side, int]


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


def followed(dense: Any, small: Any, widths: Widths, smaller: Widths) -> dict[int, Side]:  # Any: onnx is untyped
    """Return, by its place in the dense model's template, the side that each number follows that differs in `small`.

    Nothing where the two do not have the same operators.
    """
    pairs = [*zip(dense.graph.node, small.graph.node, strict=False)]
    if len(dense.graph.node) != len(small.graph.node) or any(a.op_type != b.op_type for a, b in pairs):
        return {}
    found = {}
    for place, (before, after) in enumerate(pairs):
        if before.op_type == "Constant" and before.SerializeToString() != after.SerializeToString():
            sides = _in_proportion(_number(before), _number(after), widths, smaller)
            if sides:
                found[place] = max(sides, key=lambda side: _shared(side[0], before.doc_string))
    return found


def following(node: Any, side: Side, widths: Widths, smaller: Widths) -> Any:
    """Return a number of the dense model's template as it is in a smaller model."""
    if side not in smaller:  # in a block that was removed
        return node
    number = _number(node) * smaller[side] // widths[side]
    return helper.make_node("Constant", [], list(node.output), name=node.name, value=numpy_helper.from_array(number))


def _in_proportion(before: Any, after: Any, widths: Widths, smaller: Widths) -> list[Side]:
    if before.shape != after.shape or before.dtype.kind != "i":
        return []
    return [
        side
        for side, width in widths.items()
        if side in smaller and smaller[side] != width and np.array_equal(before * smaller[side], after * width)
    ]


def _shared(path: str, scope: str) -> int:
    """Return how many names two paths have in common from the first one on."""
    pairs = zip(path.split("."), scope.split("."), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _number(node: Any) -> Any:
    (attribute,) = node.attribute
    value = helper.get_attribute_value(attribute)
    return numpy_helper.to_array(value) if attribute.name == "value" else np.array(value)
