"""Heads: attention that takes them apart itself answers as the one whose heads were taken apart for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper

from optimizer.backends.onnxruntime.graph import GraphBuilder, written
from optimizer.backends.onnxruntime.heads import take_heads_apart_inside
from optimizer.backends.onnxruntime.session import session_of

SIZE, WIDTHS = 4, {"query": 12, "key": 12, "value": 12}


def attention() -> GraphBuilder:
    """Return attention of three heads as torch's exporter writes it."""
    graph = GraphBuilder()
    shape = graph.node("Shape", ["query"], "sides", start=0, end=2)
    rest = graph.node("Constant", [], "rest", value=helper.make_tensor("rest", TensorProto.INT64, [1], [-1]))
    size = graph.node("Constant", [], "size", value=helper.make_tensor("size", TensorProto.INT64, [1], [SIZE]))
    both = graph.outputs_of("Split", [shape], "both", 2, num_outputs=2)
    apart = graph.node("Concat", [*both, rest, size], "apart", axis=0)
    shaped = [graph.node("Reshape", [name, apart], name) for name in WIDTHS]
    heads = [graph.node("Transpose", [each], each, perm=[0, 2, 1, 3]) for each in shaped]
    found = graph.node("Attention", heads, "attention", scale=0.5)
    back = graph.node("Concat", [*both, rest], "back", axis=0)
    turned = graph.node("Transpose", [found], "found", perm=[0, 2, 1, 3])
    joined = graph.node("Reshape", [turned, back], "joined")
    graph.keep(helper.make_node("Identity", [joined], ["logits"]), {})
    return graph


def answers(graph: GraphBuilder) -> NDArray[Any]:
    sides: list[str | int | None] = ["batch", "tokens", 12]
    pattern = helper.make_model(
        helper.make_graph(
            [],
            "attention",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, sides) for name in WIDTHS],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)],
        ),
        opset_imports=[helper.make_opsetid("", 23)],
        ir_version=10,
    )
    given = np.random.default_rng(0).standard_normal((3, 2, 5, 12)).astype(np.float32)
    graph.drop_dead(["logits"])
    session = session_of(written(graph, pattern, whole=True).SerializeToString(), {}, 1)
    found: NDArray[Any] = session.run(None, dict(zip(WIDTHS, given, strict=True)))[0]
    return found


def test_heads_are_taken_apart_inside() -> None:
    before, after = attention(), attention()
    take_heads_apart_inside(after, WIDTHS)
    assert answers(after) == pytest.approx(answers(before), abs=1e-6)
    kinds = [node.op_type for node in after.nodes]
    assert "Transpose" not in kinds
    assert "Reshape" not in kinds
    (found,) = [node for node in after.nodes if node.op_type == "Attention"]
    assert {each.name: each.i for each in found.attribute if each.name.endswith("heads")} == {
        "q_num_heads": 3,
        "kv_num_heads": 3,
    }


def test_attention_stays_whose_queries_are_changed_on_the_way() -> None:
    graph = attention()
    take_heads_apart_inside(graph, {"key": 12, "value": 12})  # no layer writes the queries
    assert [node.op_type for node in graph.nodes].count("Transpose") == 4
