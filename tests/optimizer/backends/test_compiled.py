"""torch.compile as a backend: one code for each shape, nothing falls back, and what does not compile is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from objectives.guard import measuring
from objectives.latency import run_conditions
from optimizer.backends import compiled, names
from optimizer.backends.backend import Backend, OnnxInputs, runner_of
from optimizer.backends.compiled import Timed
from optimizer.backends.names import check_backends
from optimizer.backends.table import backend_of
from optimizer.errors import InputError
from optimizer.measuring.measure import Asked, measure_models
from optimizer.measuring.timing import DENSE, REFERENCE, Run
from optimizer.spec import StudySpec
from tests.optimizer.backends.small_net import Net

NAME = "torch-compile"
NO_GRAPHS = OnnxInputs(requests=[], free=())


def request(batch: int) -> dict[str, Tensor]:
    return {"x": torch.ones(batch, 3)}


TIMED = Timed(lambda: [request(1), request(4)], threads=1)


def backend(dense: nn.Module, place: Path) -> Backend:
    return backend_of(NAME, dense=dense, inputs=NO_GRAPHS, timed=TIMED, cache_dir=place)


@pytest.fixture(autouse=True)
def _without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trace and guard as for real code, which takes seconds to make."""
    monkeypatch.setattr(compiled, "MAKER", "aot_eager")


def test_it_answers_as_torch_does_at_the_shapes_that_are_timed_and_at_no_other(tmp_path: Path) -> None:
    dense, other = Net().eval(), Net().eval()
    runs = backend(dense, tmp_path)
    made = [runs.runs(dense), runs.runs(other)]
    assert runs.runs(dense) is made[0]
    with measuring(*made, threads=1):
        for model, ours in zip((dense, other), made, strict=True):
            for batch in (4, 1):
                torch.testing.assert_close(ours(**request(batch)), model(**request(batch)))
        with pytest.raises(torch._dynamo.exc.FailOnRecompileLimitHit):
            made[0](**request(2))
        torch.testing.assert_close(made[0](**request(1)), dense(**request(1)))
    assert runner_of(made[0]) == NAME
    assert run_conditions(made[0])["dtype"] == "float32"


def raises(_: Tensor) -> Tensor:
    raise RuntimeError("no such kernel")


def leaves_the_graph(x: Tensor) -> Tensor:
    return x if x.sum().item() > 0 else -x


NOT_TAKEN = {
    raises: r'at `raise RuntimeError\("no such kernel"\)` \(.*test_compiled.py:\d+\)',
    leaves_the_graph: r"does not take this model: .* at `return x if x.sum\(\)",
}


@pytest.mark.parametrize(("act", "why"), NOT_TAKEN.items())
def test_a_model_that_does_not_compile_whole_is_refused(
    act: Callable[[Tensor], Tensor], why: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=why) as refused:
        backend(Net(), tmp_path).runs(Net(act))
    assert refused.value.field == "backend"


def test_code_that_answers_otherwise_is_refused(tmp_path: Path) -> None:
    def moody(x: Tensor) -> Tensor:
        return x + 1 if torch.compiler.is_compiling() else x

    with pytest.raises(InputError, match="answers differ from torch's by"):
        backend(Net(), tmp_path).runs(Net(moody))


def test_it_is_measured_beside_torch_and_its_memory_is_torchs(tmp_path: Path) -> None:
    dense, lean = Net().eval(), Net().eval()
    here = backend(dense, tmp_path)
    runs = {REFERENCE: dense, Run(DENSE, NAME): here.runs(dense), Run("lean", NAME): here.runs(lean)}
    asked = Asked(request, lambda _: 12.0, {}, built={"lean": lean})
    taken = measure_models(runs, asked, batch_sizes=(1, 4), threads=1, seed=0, latency_s=0.01, progress=lambda *_: None)
    of_lean = [m for m in taken["lean"] if m.conditions.get("backend") == NAME]
    for quantity in ("latency", "latency_ratio", "latency_ratio_torch"):
        assert [m.conditions["batch"] for m in of_lean if m.quantity == quantity] == [1, 4]
    memory = [m for m in taken["lean"] if m.quantity == "memory"]
    assert [m.value for m in memory] == [m.value for m in taken[DENSE] if m.quantity == "memory"]
    assert all(np.isfinite(m.value) for m in taken["lean"])


@pytest.mark.parametrize(
    ("fields", "tools", "said"),
    [
        ({}, {}, "backends: torch-compile needs a C\\+\\+ compiler, and g\\+\\+ is not here: install g\\+\\+"),
        ({"device": "mps"}, {"g++"}, "backends: torch-compile runs on the CPU and on CUDA here, and `device` is mps"),
        ({"device": "cuda"}, {"g++"}, "backends: torch-compile on CUDA needs triton"),
    ],
)
def test_a_machine_without_a_compiler_is_told_the_remedy(
    fields: dict[str, object], tools: set[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("shutil.which", lambda name: name if name in tools else None)
    monkeypatch.setattr(names, "find_spec", lambda _: None)
    spec = StudySpec.model_validate({"model": "m", "task": "t", "epsilon": 0.1, "backends": (NAME,), **fields})
    with pytest.raises(InputError, match=said):
        check_backends(spec)


def test_a_study_that_leaves_its_transforms_open_does_not_compile() -> None:
    spec = StudySpec.model_validate({"model": "m", "task": "t", "epsilon": 0.1, "transforms": ("auto",)})
    assert spec.backends == ("torch", "onnxruntime")
