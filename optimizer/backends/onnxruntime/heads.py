"""Heads: attention that takes its heads apart itself.

torch's exporter reshapes and transposes what attention reads and writes. The operator takes tensors `(batch, tokens,
heads · size)` as well where it is told how many heads there are, which saves four copies and as many operators.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onnx import helper, numpy_helper

from optimizer.backends.onnxruntime.graph import GraphBuilder

APART = [0, 2, 1, 3]  # from `(batch, tokens, heads, size)` to `(batch, heads, tokens, size)`, and back
Nodes = Mapping[str, Any]  # operators of onnx, which is untyped, by a name


def take_heads_apart_inside(graph: GraphBuilder, widths: Mapping[str, int]) -> None:
    """Have attention in a graph, in place, read and write all heads side by side where layers give them so.

    `widths` are those of what layers write, by name.
    """
    made = {name: node for node in graph.nodes for name in node.output}
    readers: dict[str, list[Any]] = {}
    for node in graph.nodes:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for node in graph.nodes:
        if node.op_type != "Attention" or len(node.input) > 4:  # the others are of a cache
            continue
        sides = [_side_by_side(made, name) for name in node.input[:3]]
        joined = _joined(readers, node.output[0])
        if joined is None or any(name not in widths or not size for name, size in sides):
            continue
        queries, keys, _ = (widths[name] // size for name, size in sides)
        node.input[:3] = [name for name, _ in sides]
        node.output[:] = joined.output
        node.attribute.append(helper.make_attribute("q_num_heads", queries))
        node.attribute.append(helper.make_attribute("kv_num_heads", keys))
        joined.output[:] = [f"{joined.output[0]}.unread"]


def _side_by_side(made: Nodes, name: str) -> tuple[str, int]:
    """Return the tensor that is reshaped and transposed to heads, and their size; an empty name where none is."""
    turned: Any = made.get(name)
    shaped: Any = made.get(turned.input[0]) if turned is not None and _turns(turned) else None
    if shaped is None or shaped.op_type != "Reshape":
        return "", 0
    shape: Any = made.get(shaped.input[1])
    last: Any = made.get(shape.input[-1]) if shape is not None and shape.op_type == "Concat" else None
    if last is None or last.op_type != "Constant" or len(shape.input) != len(APART):
        return "", 0
    (size,) = numpy_helper.to_array(helper.get_node_attr_value(last, "value")).ravel()
    return shaped.input[0], int(size)


def _joined(readers: Mapping[str, list[Any]], name: str) -> Any:
    """Return the operator that reshapes heads to a tensor of three sides; None where they are read otherwise."""
    turned = readers.get(name, [])
    shaped = readers.get(turned[0].output[0], []) if len(turned) == 1 and _turns(turned[0]) else []
    return shaped[0] if len(shaped) == 1 and shaped[0].op_type == "Reshape" else None


def _turns(node: Any) -> bool:
    return node.op_type == "Transpose" and list(helper.get_node_attr_value(node, "perm")) == APART
