"""Numbers of a graph that follow the widths of layers are found in the graph of a smaller model."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx")

from onnx import ModelProto, NodeProto, helper, numpy_helper

from optimizer.backends.onnxruntime.widths import Follows, followed, following

DENSE = {("a.query", 0): 32, ("a.query", 1): 64, ("b.query", 0): 32}
SMALL = {("a.query", 0): 24, ("a.query", 1): 64, ("b.query", 0): 24}
HALF = {("a.query", 0): 16, ("a.query", 1): 64, ("b.query", 0): 8}


def constant(number: int, scope: str) -> NodeProto:
    node = helper.make_node("Constant", [], [scope], value_ints=[number])
    node.doc_string = scope
    return node


def _values(node: NodeProto) -> list[int]:
    return numpy_helper.to_array(helper.get_node_attr_value(node, "value")).ravel().tolist()


def graph(*nodes: NodeProto) -> ModelProto:
    return helper.make_model(helper.make_graph(nodes, "g", [], []))


def test_a_number_follows_the_layer_nearest_to_it() -> None:
    dense = graph(constant(4, "a"), constant(7, "a"), constant(4, "b"))
    found = followed(dense, graph(constant(3, "a"), constant(7, "a"), constant(3, "b")), DENSE, SMALL)
    assert {place: each.side for place, each in found.items()} == {0: ("a.query", 0), 2: ("b.query", 0)}
    made = [following(dense.graph.node[at], each, DENSE, HALF) for at, each in found.items()]
    assert [_values(node) for node in made] == [[2], [1]]


def test_an_entry_of_a_shape_follows_the_layer_that_reads_it() -> None:
    dense, small, half = (
        {("net.blocks.7.conv", 0): 512, ("net.stem", 0): stem, ("net.classifier", 1): width}
        | {("net.blocks.7.conv", 0): width}
        for width, stem in ((512, 64), (128, 16), (256, 16))
    )
    shape = helper.make_node("Constant", [], ["net"], value_ints=[-1, 512, 7])
    shape.doc_string = "net"
    smaller = helper.make_node("Constant", [], ["net"], value_ints=[-1, 128, 7])
    found = followed(graph(shape), graph(smaller), dense, small)
    assert found[0].side == ("net.classifier", 1)  # and not the stem, which has lost as much
    assert _values(following(shape, found[0], dense, half)) == [-1, 256, 7]


def test_nothing_follows_in_graphs_of_other_operators_or_out_of_proportion() -> None:
    dense = graph(constant(4, "a"))
    assert followed(dense, graph(constant(3, "a"), constant(3, "a")), DENSE, SMALL) == {}
    assert followed(dense, graph(constant(2, "a")), DENSE, SMALL) == {}


def test_a_number_of_a_removed_block_stays() -> None:
    node = constant(4, "a")
    assert following(node, Follows(("a.query", 0), np.array([True])), DENSE, {}) is node
