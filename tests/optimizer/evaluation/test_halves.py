"""Candidates of a search that compute in bfloat16: what they answer, who can, and what is of float32 all the same."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from tiny_checkpoints import save_data, save_tiny
from tiny_encoders import OF_EVERY_PART, tiny

from optimizer import estimate as estimating
from optimizer.evaluation import halves
from optimizer.evaluation.evaluate import DenseAnswers
from optimizer.evaluation.halves import Halved, in_halves
from optimizer.executors.parcel import pack, unpack
from optimizer.predict import predict
from optimizer.progress import Event
from optimizer.run import optimize
from optimizer.spec import StudySpec
from optimizer.tasks.classification import Classification
from optimizer.tasks.regression import Regression
from optimizer.tasks.task import Task
from optimizer.workload import Workload
from search_spaces.layouts.named import named_layout
from studies.opening import open_store
from studies.records import Candidate
from tests.optimizer.test_predict import examples

ASKED, TASK = examples(40, longest=20), Classification()


@pytest.fixture
def has_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halves, "native_dtype", lambda _: torch.bfloat16)


def of(model: torch.nn.Module, task: Task = TASK) -> Workload:
    """Return the part of a workload that is looked at."""
    return cast(Workload, SimpleNamespace(model=model, task=task, device=torch.device("cpu"), search=ASKED))


def answers_on(workload: Workload) -> DenseAnswers:
    model = workload.model
    workload.search_answers = predict(model, ASKED, TASK)  # type: ignore[misc]  # a stand-in of this file
    return DenseAnswers.on(workload, named_layout(model).groups)


@pytest.mark.parametrize("architecture", OF_EVERY_PART)
def test_answers_are_nearly_those_of_float32_and_the_model_stays_as_it_is(architecture: str) -> None:
    model = tiny(architecture)
    before = predict(model, ASKED, TASK)
    half = Halved(lambda same: same)(model)
    assert {weight.dtype for weight in half.parameters()} == {torch.bfloat16}
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    after = predict(half, ASKED, TASK)
    assert after.dtype == np.float32
    assert not np.array_equal(after, before)
    assert np.abs(after - before).max() < 0.05 * np.abs(before).max()
    assert np.array_equal(predict(model, ASKED, TASK), before)


@pytest.mark.usefixtures("has_bfloat16")
def test_candidates_are_compared_with_the_dense_answers_of_float32() -> None:
    workload = of(tiny("bert"))
    dense = answers_on(workload)
    found, note = in_halves(dense, workload, has_few_bits=False)
    assert found.precision == "bfloat16"
    assert found.answers is dense.answers
    assert "candidates compute in bfloat16" in note
    sent = unpack(pack(found)).answering(workload.model)  # as worker processes get it
    assert {weight.dtype for weight in sent.parameters()} == {torch.bfloat16}


@pytest.mark.usefixtures("has_bfloat16")
def test_where_it_would_not_do_candidates_compute_in_float32_and_a_note_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workload = of(tiny("bert"))
    dense = answers_on(workload)

    def why(asked: Workload = workload, *, has_few_bits: bool = False) -> str:
        found, note = in_halves(dense, asked, has_few_bits=has_few_bits)
        assert found is dense
        assert note.startswith("candidates compute in float32: ")
        return note

    assert "text encoders" in why(of(torch.nn.Linear(2, 2)))
    assert "few bits" in why(has_few_bits=True)
    assert "numbers" in why(of(tiny("bert", 1), task=Regression()))
    assert "no bfloat16" in why_without(monkeypatch, dense, workload)
    monkeypatch.setattr(halves, "native_dtype", lambda _: torch.bfloat16)
    monkeypatch.setattr(halves, "MOST", 0.0)
    assert "diverge by" in why()
    with torch.no_grad():
        workload.model.get_submodule("classifier").weight.fill_(float("inf"))
    assert "not finite" in why()


def why_without(monkeypatch: pytest.MonkeyPatch, dense: DenseAnswers, workload: Workload) -> str:
    monkeypatch.setattr(halves, "native_dtype", lambda _: torch.float32)
    return in_halves(dense, workload, has_few_bits=False)[1]


@pytest.mark.usefixtures("has_bfloat16")
def test_a_study_searches_in_bfloat16_and_verifies_in_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_tiny(tmp_path / "model")
    save_data(tmp_path / "data", tmp_path / "model", {"train": 80, "validation": 100, "test": 60})
    asked: dict[str, Any] = {
        "model": str(tmp_path / "model"),
        "task": "colours",
        "data": str(tmp_path / "data"),
        "epsilon": 0.5,
        "trials": 2,
        "distributions": [{"name": "half", "ratio": 0.5, "removed": {"neurons": 0.5}}],  # the first candidate
        "batch_sizes": (1,),
        "measure_seconds": 0.02,
        "calibration_examples": 32,
        "threads": 1,
        "sampler": "random",
    }
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    found: dict[str, list[Candidate]] = {}
    for precision in ("float32", "bfloat16"):
        spec = StudySpec.model_validate({**asked, "search_precision": precision})
        events: list[Event] = []
        optimize(spec, store=store, cache_dir=tmp_path / "cache", study=precision, listener=events.append)
        found[precision] = store.candidates(store.study(precision).id)
        assert any("compute in bfloat16" in event.text for event in events) == (precision == "bfloat16")
    store.close()
    whole, half = (
        next(c for c in candidates if c.config == found["float32"][0].config) for candidates in found.values()
    )
    (told,) = (m for m in half.measurements if m.quantity == "drop")
    assert told.conditions == {"precision": "bfloat16"}
    assert whole.verification == half.verification is not None
    kept = [path.name for path in (tmp_path / "cache").rglob("sensitivity-*.json")]
    assert sorted(name.endswith("-bfloat16.json") for name in kept) == [False, True], "harms are kept apart"
    monkeypatch.setattr(estimating, "time", SimpleNamespace(perf_counter=(clock := Clock())))
    monkeypatch.setattr(estimating, "predict", clock.predict)
    in_float32, in_bfloat16 = (
        estimating.estimate(
            StudySpec.model_validate({**asked, "search_precision": precision, "trials": 10_000}),
            cache_dir=tmp_path / "cache",
        )
        for precision in ("float32", "bfloat16")
    )
    assert in_bfloat16.seconds == pytest.approx(in_float32.seconds / 2, rel=0.01)


class Clock:
    """A clock on which a second passes when a model of float32 predicts, and half of one in bfloat16."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def predict(self, model: torch.nn.Module, *_args: object) -> None:
        self.seconds += 1.0 if next(model.parameters()).dtype == torch.float32 else 0.5
