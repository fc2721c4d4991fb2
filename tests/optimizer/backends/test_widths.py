"""Numbers of a graph that follow the widths of layers are found in the graph of a smaller model."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx")

from onnx import ModelProto, NodeProto, helper

from optimizer.backends.onnxruntime.widths import followed, following

DENSE = {("a.query", 0): 32, ("a.query", 1): 64, ("b.query", 0): 32}
SMALL = {("a.query", 0): 24, ("a.query", 1): 64, ("b.query", 0): 24}
HALF = {("a.query", 0): 16, ("a.query", 1): 64, ("b.query", 0): 8}


def constant(number: int, scope: str) -> NodeProto:
    node = helper.make_node("Constant", [], [scope], value_ints=[number])
    node.doc_string = scope
    return node


def graph(*nodes: NodeProto) -> ModelProto:
    return helper.make_model(helper.make_graph(nodes, "g", [], []))


def test_a_number_follows_the_layer_nearest_to_it() -> None:
    dense = graph(constant(4, "a"), constant(7, "a"), constant(4, "b"))
    found = followed(dense, graph(constant(3, "a"), constant(7, "a"), constant(3, "b")), DENSE, SMALL)
    assert found == {0: ("a.query", 0), 2: ("b.query", 0)}
    made = [following(dense.graph.node[at], side, DENSE, HALF) for at, side in found.items()]
    assert [int.from_bytes(helper.get_node_attr_value(node, "value").raw_data, "little") for node in made] == [2, 1]


def test_nothing_follows_in_graphs_of_other_operators_or_out_of_proportion() -> None:
    dense = graph(constant(4, "a"))
    assert followed(dense, graph(constant(3, "a"), constant(3, "a")), DENSE, SMALL) == {}
    assert followed(dense, graph(constant(2, "a")), DENSE, SMALL) == {}


def test_a_number_of_a_removed_block_stays() -> None:
    node = constant(4, "a")
    assert following(node, ("a.query", 0), DENSE, {}) is node
