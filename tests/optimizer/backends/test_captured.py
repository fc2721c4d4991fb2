"""CUDA graphs as a backend: refused where there is no GPU; on one they answer as torch does, at the shapes captured."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from objectives.guard import measuring
from optimizer.backends.backend import OnnxInputs, runner_of
from optimizer.backends.compiled import Timed
from optimizer.backends.names import check_backends
from optimizer.backends.table import backend_of
from optimizer.errors import InputError
from optimizer.handover.loading import load_pruned
from optimizer.measuring.measure import Asked, measure_models
from optimizer.measuring.timing import DENSE, REFERENCE, Run
from optimizer.spec import StudySpec
from tests.optimizer.backends.small_net import Net

NAME = "cuda-graph"
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")


def request(batch: int) -> dict[str, Tensor]:
    return {"x": torch.full((batch, 3), float(batch), device="cuda")}


def captured(dense: nn.Module, model: nn.Module, place: Path) -> nn.Module:
    timed = Timed(lambda: [request(1), request(4)])
    backend = backend_of(NAME, dense=dense, inputs=OnnxInputs(requests=[], free=()), timed=timed, cache_dir=place)
    return backend.runs(model)


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_without_a_gpu_it_is_refused_before_anything_is_loaded(device: str) -> None:
    spec = StudySpec.model_validate(
        {"model": "m", "task": "t", "epsilon": 0.1, "backends": ("torch", NAME), "device": device}
    )
    with pytest.raises(InputError, match=f"backends: cuda-graph replays what an NVIDIA GPU runs, .* is {device}"):
        check_backends(spec)


def test_a_model_on_the_cpu_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="backend: cuda-graph replays what an NVIDIA GPU runs, and `device` is cpu"):
        captured(Net(), Net(), tmp_path)


def test_an_export_is_not_loaded_as_a_graph() -> None:
    golden = Path(__file__).parents[2] / "golden" / "old_export"
    with pytest.raises(InputError, match="backend: cuda-graph is how models are timed"):
        load_pruned(golden, device="cuda", backend=NAME)


@pytest.mark.gpu
@GPU
def test_it_answers_as_torch_does_at_the_shapes_that_are_timed_and_at_no_other(tmp_path: Path) -> None:
    dense, other = Net().cuda().eval(), Net().cuda().eval()
    made = captured(dense, other, tmp_path)
    with measuring(made, other):
        for batch in (4, 1, 4):
            asked = {"x": torch.randn(batch, 3, device="cuda")}
            torch.testing.assert_close(made(**asked), other(**asked))
        with pytest.raises(ValueError, match="no graph was captured"):
            made(**request(2))
    assert runner_of(made) == NAME


@pytest.mark.gpu
@GPU
def test_a_model_that_waits_for_its_own_numbers_is_refused(tmp_path: Path) -> None:
    waiting = Net(lambda x: x if x.sum().item() > 0 else -x).cuda()
    with pytest.raises(InputError, match="CUDA cannot capture this model"):
        captured(Net().cuda(), waiting, tmp_path)


@pytest.mark.gpu
@GPU
def test_it_is_measured_beside_torch_and_its_memory_is_torchs(tmp_path: Path) -> None:
    dense, lean = Net().cuda().eval(), Net().cuda().eval()
    runs = {REFERENCE: dense, Run(DENSE, NAME): captured(dense, dense, tmp_path)}
    runs |= {Run("lean", NAME): captured(dense, lean, tmp_path)}
    asked = Asked(request, lambda _: 12.0, {}, built={"lean": lean})
    taken = measure_models(runs, asked, batch_sizes=(1, 4), threads=1, seed=0, latency_s=0.1, progress=lambda *_: None)
    of_lean = [m for m in taken["lean"] if m.conditions.get("backend") == NAME]
    assert {m.quantity for m in of_lean} >= {"latency", "latency_ratio", "latency_ratio_torch"}
