"""Students with batch norms: what the norms measured on augmented images is measured again on images as they come."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from optimizer import StudySpec, load_images, optimize
from optimizer.families.encoders.load import load_workload
from optimizer.given import Given
from optimizer.pipeline import Pipeline
from optimizer.recovery.weights import build_candidate
from search_spaces.config import Form
from studies.opening import open_store

ASKED = {"epsilon": 0.9, "trials": 1, "allow_untrained": True, "measure_seconds": 0.02, "batch_sizes": (1,)}


def test_norms_are_those_of_images_as_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optimizer.recovery.halving.STUDENTS", 1)
    images = load_images("digits", train_examples=200, test_examples=60)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 36, 10)]
    network = nn.Sequential(*layers).eval()
    recovering = {"recover": "distill", "recover_epochs": 1, "augment": "crop", "calibration_examples": 32}
    spec = StudySpec.model_validate({**ASKED, **recovering, "model": "mine", "task": "digits"})
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    optimize(spec, store=store, cache_dir=tmp_path, study="s", model=network, images=images)
    study = store.study("s")
    (student,) = [c for c in store.candidates(study.id) if c.config.form is Form.FINETUNED]
    store.close()
    given = Given(model=network, images=images)
    workload = load_workload(spec, cache_dir=tmp_path, progress=lambda *_: None, given=given)
    pipeline = Pipeline.of(spec, workload, tmp_path)
    built = build_candidate(student, pipeline, cache_dir=tmp_path, study=study)
    torch.testing.assert_close(built.state_dict(), pipeline.settled(built).state_dict())
