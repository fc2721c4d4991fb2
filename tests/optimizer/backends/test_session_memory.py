"""Memory: what a graph of ONNX Runtime takes is counted in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

from objectives.measurement import Source
from optimizer.errors import MachineError
from optimizer.measuring.memory import peak_memory

pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper

from optimizer.backends.onnxruntime.graph import GraphBuilder, beside, written
from optimizer.backends.onnxruntime.memory import is_countable, peak_bytes
from optimizer.backends.onnxruntime.session import SessionModel, session_of_file

WIDTH, MANY, MEGABYTE = 1024, 512, 2**20
WEIGHT = 4 * MEGABYTE  # of a square of floats


def session(layers: int) -> SessionModel:
    """A chain of square layers."""
    graph, last = GraphBuilder(), "pixel_values"
    for index in range(layers):
        weight = np.full((WIDTH, WIDTH), index, dtype=np.float32)
        last = graph.node("MatMul", [last, graph.tensor(f"{index}.weight", weight)], str(index))
    floats, shape = TensorProto.FLOAT, cast("list[str | int | None]", ["batch", WIDTH])
    template = helper.make_model(
        helper.make_graph(
            [],
            "chain",
            [helper.make_tensor_value_info("pixel_values", floats, shape)],
            [helper.make_tensor_value_info(last, floats, shape)],
        ),
        ir_version=10,
        opset_imports=[helper.make_opsetid("", 20)],
    )
    return SessionModel(written(graph, template, whole=False).SerializeToString(), beside(graph))


@pytest.mark.skipif(not is_countable(), reason="this system does not tell the peak of a process's memory")
def test_a_graph_takes_its_weights_and_what_a_request_makes_it_hold() -> None:
    models = {"dense": session(4), "half": session(2)}
    few, many = (
        peak_memory(models, {"pixel_values": torch.zeros(rows, WIDTH)}, threads=1, conditions={"batch": rows})
        for rows in (1, MANY)
    )
    assert few["dense"].value == pytest.approx(4 * WEIGHT, abs=MEGABYTE)
    assert few["half"].value == pytest.approx(2 * WEIGHT, abs=MEGABYTE)
    held = (many["dense"].value - few["dense"].value) / (MANY * WIDTH * 4)
    assert 1 < held < 6, "some of what layers write, each of one size"
    said = {"batch": 1, "device": "cpu", "backend": "onnxruntime", "counted": "resident"}
    assert (few["dense"].source, few["dense"].conditions) == (Source.MEASURED, said)


@pytest.mark.skipif(not is_countable(), reason="this system does not tell the peak of a process's memory")
def test_a_graph_that_does_not_run_is_said() -> None:
    with pytest.raises(MachineError, match="memory: "):
        peak_bytes([session(1)], {"input": torch.zeros(1, WIDTH)}, threads=1)


def test_a_graph_too_large_for_a_file_has_weights_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optimizer.backends.onnxruntime.session.LARGE", WEIGHT)
    path = session(2).save(tmp_path / "model.onnx")
    assert path.stat().st_size < MEGABYTE
    assert (tmp_path / "model.onnx.data").stat().st_size >= 2 * WEIGHT
    rows = torch.ones(1, WIDTH)
    assert torch.equal(session_of_file(path)(pixel_values=rows).logits, session(2)(pixel_values=rows).logits)
