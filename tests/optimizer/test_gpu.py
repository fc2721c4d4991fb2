"""Whole studies on a GPU: what is trained, loaded, exported or masked there stays there, and files run anywhere."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from tiny_checkpoints import save_data, save_tiny
from torch import nn

from objectives.energy.windows import WindowPlan
from objectives.measurement import Source
from optimizer import StudySpec, export_candidate, load_images, load_pruned, optimize
from optimizer.views.member import RunResult
from studies.opening import open_store

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]
USUAL = {"epsilon": 0.3, "trials": 4, "measure_seconds": 0.1, "threads": 1, "device": "cuda"}


@pytest.fixture(autouse=True)
def short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optimizer.measuring.measure.WindowPlan", partial(WindowPlan, window_s=0.3))


class Pixels(nn.Sequential):
    """A small trained network with convolutions."""

    def __init__(self) -> None:
        body = (nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU())
        super().__init__(*body, nn.Flatten(), nn.Linear(16 * 36, 10))


def test_a_text_study_recovers_measures_and_exports_on_the_gpu(tmp_path: Path) -> None:
    save_tiny(tmp_path / "model")
    save_data(tmp_path / "data", tmp_path / "model", {"train": 300, "validation": 260, "test": 240})
    given = {"model": str(tmp_path / "model"), "task": "colours", "data": str(tmp_path / "data")}
    asked = {"objectives": ("latency", "energy"), "batch_sizes": (1, 64), "calibration_examples": 64}
    spec = StudySpec.model_validate({**USUAL, **given, **asked, "recover": "finetune"})
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    result = optimize(spec, store=store, cache_dir=tmp_path / "cache")
    check_measured(result)
    assert any(member.origin == "recover" for member in result.front)
    place = tmp_path / "small"
    export_candidate(store, store.study(result.study), result.front[0].candidate, place, cache_dir=tmp_path / "cache")
    request = {"input_ids": torch.arange(4, 12)[None], "attention_mask": torch.ones(1, 8, dtype=torch.long)}
    here, there = load_pruned(place), load_pruned(place, device="cuda")
    assert all(tensor.is_cuda for tensor in [*there.parameters(), *there.buffers()])
    with torch.inference_mode():
        wanted = here(**request).logits
        got = there(**{name: tensor.cuda() for name, tensor in request.items()}).logits.cpu()
    assert torch.allclose(got, wanted, atol=1e-4)
    store.close()


def test_an_image_study_recovers_on_the_gpu_and_its_graph_is_checked_without_the_gpus_rounding(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    images, network = load_images("digits"), Pixels()
    adam = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(40):
        loss = nn.functional.cross_entropy(network(images.train.pixels), images.train.labels)
        adam.zero_grad()
        loss.backward()
        adam.step()
    asked = {"objectives": ("latency",), "batch_sizes": (64,), "recover": "finetune"}
    spec = StudySpec.model_validate({**USUAL, "model": "pixels", "task": "digits", **asked})
    store, given = open_store(f"sqlite:///{tmp_path}/s.sqlite"), {"model": network, "images": images}
    result = optimize(spec, store=store, cache_dir=tmp_path / "cache", **given)
    check_measured(result)
    study, best = store.study(result.study), result.front[0].candidate
    files = export_candidate(store, study, best, tmp_path / "g", cache_dir=tmp_path / "cache", as_onnx=True, **given)
    assert "model.onnx" in {file.name for file in files}
    store.close()


def test_masked_networks_are_trained_on_the_gpu(tmp_path: Path) -> None:
    asked = {"model": "mlp-small", "task": "digits", "structure": "weights", "epochs": 2, "allow_untrained": True}
    spec = StudySpec.model_validate({**USUAL, **asked, "trials": 10, "epsilon": 0.9})
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    check_measured(optimize(spec, store=store, cache_dir=tmp_path / "cache"))
    assert all(candidate.outcome.drop is not None for candidate in store.candidates(1))
    store.close()


def check_measured(result: RunResult) -> None:
    assert result.front
    for member in result.front:
        assert member.energy_source == Source.NVML
        assert member.energy_j > 0
        assert member.peak_memory_bytes > 0
        assert all(view.seconds > 1e-5 for view in member.latency)
