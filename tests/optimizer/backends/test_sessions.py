"""Sessions of ONNX Runtime: called like the model, with what its figures hold for, and refused where none can run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from tiny_encoders import tiny, tokens
from torch import nn

from objectives.latency import run_conditions
from optimizer.backends.backend import Backend, OnnxInputs
from optimizer.backends.names import check_backend
from optimizer.backends.table import backend_of
from optimizer.errors import InputError

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


def padded() -> dict[str, torch.Tensor]:
    request = tokens(3, 9)
    request["attention_mask"][1, 4:] = 0
    return request


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return tiny("bert", layers=1)


@pytest.fixture(scope="module")
def sessions(model: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Backend:
    inputs = OnnxInputs(requests=[tokens(2, 7), padded(), tokens(1, 5)], free=("batch", "length"))
    return backend_of("onnxruntime", dense=model, inputs=inputs, cache_dir=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def session(sessions: Backend, model: nn.Module) -> nn.Module:
    return sessions.runs(model)


def test_a_session_answers_as_the_model_does(session: nn.Module, model: nn.Module) -> None:
    with torch.inference_mode():
        assert torch.allclose(session(**padded()).logits, model(**padded()).logits, atol=1e-5)
        without = {"input_ids": padded()["input_ids"]}
        assert torch.allclose(session(**without).logits, model(**without).logits, atol=1e-5)


def test_conditions_name_the_backend_and_how_it_is_set(session: nn.Module, model: nn.Module) -> None:
    found = run_conditions(session)
    assert found["backend"] == "onnxruntime"
    assert found["dtype"] == "float32"
    assert found["graph_optimization"] == "all"
    assert found["threads"] == torch.get_num_threads()
    assert "backend" not in run_conditions(model)


def test_torch_runs_the_model_itself(model: nn.Module, tmp_path: Path) -> None:
    inputs = OnnxInputs(requests=[tokens(2, 7)], free=("batch", "length"))
    assert backend_of("torch", dense=model, inputs=inputs, cache_dir=tmp_path).runs(model) is model


def test_what_cannot_run_is_refused_before_a_model_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="backend: unknown name 'onxruntime'; did you mean 'onnxruntime'"):
        check_backend("onxruntime")
    with pytest.raises(InputError, match="backend: onnxruntime runs on the CPU here, and `device` is cuda:0"):
        check_backend("onnxruntime", "cuda:0")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"backend: onnxruntime needs onnxruntime: pip install .*\[onnx\]"):
        check_backend("onnxruntime")
    check_backend("torch", "cuda:0")
