"""Attention in ONNX Runtime: as one operator, told of its heads or given them apart, and step by step.

    python -m benchmarks.attention [--heads 12] [--size 32] [--rounds 25]

Thread CPU time of one attention with its reshapes, at each batch and length; with relative positions, that of heads
which are apart already, whose scores get a bias for each pair of tokens. `mpnet` has one bias for all texts, `deberta`
one for each.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from optimizer.backends.onnxruntime.graph import GraphBuilder, written
from optimizer.backends.onnxruntime.session import session_of

SHAPES = ((1, 24), (32, 24), (1, 128))
PLAIN = ("told of its heads", "heads apart", "step by step")
RELATIVE = ("mpnet: one operator", "mpnet: step by step", "deberta: one operator", "deberta: step by step")
Arrays = Mapping[str, np.ndarray[Any, Any]]


def main() -> None:
    """Print a Markdown table of milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--size", type=int, default=32, help="of a head")
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args()
    print(f"| batch, tokens | {' | '.join((*PLAIN, *RELATIVE))} |\n|---|{'--:|' * len(PLAIN + RELATIVE)}")
    for batch, tokens in SHAPES:
        runs = {way: _run(way, options.heads, options.size, batch, tokens) for way in (*PLAIN, *RELATIVE)}
        seconds: dict[str, list[float]] = {way: [] for way in runs}
        for _ in range(options.rounds):
            for way, (session, given) in runs.items():
                began = time.thread_time()
                session.run(None, given)
                seconds[way].append(time.thread_time() - began)
        print(f"| {batch}, {tokens} | {' | '.join(f'{1e3 * np.median(each):.3f}' for each in seconds.values())} |")


def _run(way: str, heads: int, size: int, batch: int, tokens: int) -> tuple[Any, Arrays]:  # Any: untyped
    """Return the session of a way, and what it is asked."""
    graph, draw = GraphBuilder(), np.random.default_rng(0)
    is_relative = way in RELATIVE
    sides = (batch, heads, tokens, size) if is_relative else (batch, tokens, heads * size)
    given = {name: draw.standard_normal(sides).astype(np.float32) for name in ("query", "key", "value")}
    if is_relative:
        each = 1 if way.startswith("mpnet") else batch
        given["bias"] = draw.standard_normal((each, heads, tokens, tokens)).astype(np.float32)
        given["mask"] = np.zeros((batch, 1, 1, tokens), np.float32)
        found = _relative(graph, size, in_steps=way.endswith("step"))
    else:
        given["mask"] = np.zeros((batch, 1, tokens, tokens), np.float32)
        found = _plain(graph, way, heads, size)
    graph.keep(helper.make_node("Identity", [found], ["logits"]), {})
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * array.ndim) for name, array in given.items()
    ]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)
    pattern = helper.make_model(
        helper.make_graph([], "attention", inputs, [output]), opset_imports=[helper.make_opsetid("", 23)], ir_version=10
    )
    return session_of(written(graph, pattern, whole=True).SerializeToString(), {}, 1), given


def _plain(graph: GraphBuilder, way: str, heads: int, size: int) -> str:
    sides = ["query", "key", "value"]
    if way == PLAIN[0]:
        named = {"q_num_heads": heads, "kv_num_heads": heads, "scale": size**-0.5}
        return graph.node("Attention", [*sides, "mask"], "attention", **named)
    apart = graph.tensor("apart", np.array([0, 0, heads, size]))
    shaped = [graph.node("Reshape", [name, apart], name) for name in sides]
    query, key, value = (graph.node("Transpose", [each], each, perm=[0, 2, 1, 3]) for each in shaped)
    if way == PLAIN[1]:
        found = graph.node("Attention", [query, key, value, "mask"], "attention", scale=size**-0.5)
    else:
        found = _steps(graph, (query, key, value), size, ["mask"])
    turned = graph.node("Transpose", [found], "found", perm=[0, 2, 1, 3])
    return graph.node("Reshape", [turned, graph.tensor("back", np.array([0, 0, heads * size]))], "joined")


def _relative(graph: GraphBuilder, size: int, *, in_steps: bool) -> str:
    if in_steps:
        return _steps(graph, ("query", "key", "value"), size, ["bias", "mask"])
    added = graph.node("Add", ["bias", "mask"], "added")
    return graph.node("Attention", ["query", "key", "value", added], "attention", scale=size**-0.5)


def _steps(graph: GraphBuilder, sides: tuple[str, str, str], size: int, added: list[str]) -> str:
    query, key, value = sides
    turned = graph.node("Transpose", [key], "turned", perm=[0, 1, 3, 2])
    scores = graph.node("MatMul", [query, turned], "scores")
    scores = graph.node("Mul", [scores, graph.tensor("scale", np.array(size**-0.5, np.float32))], "scaled")
    for each in added:
        scores = graph.node("Add", [scores, each], "added")
    return graph.node("MatMul", [graph.node("Softmax", [scores], "shares", axis=-1), value], "mixed")


if __name__ == "__main__":
    main()
