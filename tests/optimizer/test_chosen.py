"""`--transforms auto`: what is taken by which times, and what a study keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from tiny_checkpoints import save_data, save_tiny

from api.cli.spec_options import spec_from
from objectives.latency import latency_of
from optimizer.backends import names
from optimizer.chosen import Choice, choice_of
from optimizer.errors import InputError
from optimizer.families.names import check_names
from optimizer.measuring.timing import DENSE, REFERENCE, Run
from optimizer.progress import CancelledError, Event
from optimizer.run import optimize, resume
from optimizer.spec import StudySpec
from optimizer.tried import Tried
from search_spaces.transforms.table import BITS, RANK
from studies.opening import open_store
from studies.records import StudyState

LEAST = {"model": "phrases-mini", "task": "phrases", "epsilon": 0.01, "transforms": ["auto"]}
ORT = "onnxruntime"
BOTH = ("torch", ORT)
WITH_VNNI = {REFERENCE: 1.0, Run(DENSE, ORT): 0.5, Run(RANK): 0.7, Run(RANK, ORT): 0.3, Run(BITS, ORT): 0.2}
WITHOUT = {**WITH_VNNI, Run(BITS, ORT): 0.49}
SLOW = {REFERENCE: 1.0, Run(DENSE, ORT): 2.0, Run(RANK): 0.6, Run(BITS, ORT): 1.1}
IDLE = {REFERENCE: 1.0, Run(RANK): 1.0}
"""Times of forms, as ratios to the first; two within 5 % of each other are equal."""


def spec(**changes: object) -> StudySpec:
    return StudySpec.model_validate({**LEAST, **changes})


def choice(ratios: Mapping[Run, float], refused: Mapping[str, str] | None = None, **changes: object) -> Choice:
    rng = np.random.default_rng(0)
    session = {
        run: latency_of(0.01 * ratio * rng.uniform(0.95, 1.05, 20), {"batch": 1, "backend": run.backend})
        for run, ratio in ratios.items()
    }
    asked = spec(**changes)
    return choice_of(asked, asked.backends, Tried([session], refused or {}))


@pytest.mark.parametrize(
    ("ratios", "changes", "transforms", "backends"),
    [
        (WITH_VNNI, {}, ("units", "rank", "bits"), BOTH),
        (WITHOUT, {}, ("units", "rank"), BOTH),
        (WITHOUT, {"objectives": ["size"]}, ("units", "rank", "bits"), BOTH),
        (WITHOUT, {"limits": {"size_ratio": 0.5}}, ("units", "rank", "bits"), BOTH),
        (WITHOUT, {"objectives": ["bit_operations"]}, ("units", "rank", "bits"), BOTH),
        (WITHOUT, {"objectives": ["memory"]}, ("units", "rank", "bits"), BOTH),
        (SLOW, {"objectives": ["memory"]}, ("units", "rank"), ("torch",)),
        (WITH_VNNI, {"recover": "finetune"}, ("units", "rank", "bits"), BOTH),
        (IDLE, {"backends": ["torch"]}, ("units",), ("torch",)),
        (IDLE, {"backends": ["torch"], "objectives": ["parameters"]}, ("units", "rank"), ("torch",)),
        (SLOW, {}, ("units", "rank"), ("torch",)),
        (SLOW, {"backends": [ORT]}, ("units", "bits"), (ORT,)),
        (WITH_VNNI, {"backends": [ORT]}, ("units", "rank", "bits"), (ORT,)),
    ],
)
def test_what_saves_time_or_a_named_cost_of_storage_is_taken(
    ratios: Mapping[Run, float], changes: Mapping[str, Any], transforms: tuple[str, ...], backends: tuple[str, ...]
) -> None:
    found = choice(ratios, **changes)
    assert (found.transforms, found.backends) == (transforms, backends)
    assert found.words.startswith(f"auto takes {', '.join(transforms)} in ")
    assert [figure["conditions"]["backend"] for figure in found.figures] == [run.backend for run in ratios]
    decided = found.of(spec(**changes))
    assert StudySpec.model_validate(decided.model_dump()) == decided
    assert not decided.is_open


def test_no_gain_and_what_could_not_be_timed_are_said() -> None:
    assert choice(WITHOUT).words.endswith("; bits: no gain in time")
    assert ", of that ONNX Runtime float32 ×0.5" in choice(WITHOUT).words
    idle = {REFERENCE: 1.0, Run(DENSE, ORT): 1.0}
    found = choice(idle, {RANK: "no layer of this model is large enough for a low rank"}, objectives=["size"])
    assert found.transforms == ("units", "bits")
    assert "rank: no layer of this model is large enough" in found.words
    assert found.words.endswith("bits: no gain in time; onnxruntime: no gain in time")
    with pytest.raises(InputError, match="backends: logits differ"):
        choice({REFERENCE: 1.0}, {ORT: "logits differ"}, backends=[ORT])


def test_auto_stands_alone_and_opens_the_backends_unless_they_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert spec().backends == BOTH
    assert spec(backends=["torch"]).backends == ("torch",)
    assert spec_from({"model": "m", "task": "t", "epsilon": 0.1, "transforms": ["auto"]}, None) == spec(
        model="m", task="t", epsilon=0.1
    )
    with pytest.raises(ValidationError, match="auto chooses by itself and stands alone"):
        spec(transforms=["auto", "bits"])
    with pytest.raises(ValidationError, match="are not of structure 'weights'"):
        spec(structure="weights")
    for changes, said in (
        ({"start_from": "first"}, "start_from: needs the `transforms` of that study; name them in the place of auto"),
        ({"sampler": "iterative"}, "transforms: Algorithm 1 removes units alone; leave auto out"),
    ):
        with pytest.raises(InputError, match=said):
            check_names(spec(**changes))
    monkeypatch.setattr(names, "find_spec", lambda _: None)
    check_names(spec())
    assert names.backends_here(spec())[0] == ("torch",)
    with pytest.raises(InputError, match="backends: onnxruntime needs onnx: pip install"):
        check_names(spec(backends=[ORT]))


def test_a_study_stores_what_it_took_and_goes_on_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optimizer.tried.SECONDS", 0.2)
    save_tiny(tmp_path / "model")
    save_data(tmp_path / "data", tmp_path / "model", {"train": 100, "validation": 120, "test": 80})
    place = {"model": str(tmp_path / "model"), "data": str(tmp_path / "data"), "task": "colours"}
    asked = spec(**place, epsilon=0.5, calibration_examples=16, threads=1, backends=["torch"], objectives=["size"])
    store, heard = open_store(f"sqlite:///{tmp_path}/s.sqlite"), list[str]()

    def stopped_at_the_baseline(event: Event) -> None:
        heard.append(event.text)
        if event.stage == "baseline":
            raise CancelledError

    store.create_study("queued", asked.model_dump(mode="json"), state=StudyState.QUEUED)
    run: dict[str, Any] = {"store": store, "cache_dir": tmp_path / "cache", "listener": stopped_at_the_baseline}
    begin = partial(optimize, asked, study="direct", **run)
    for name, start in {"direct": begin, "queued": partial(resume, "queued", **run)}.items():
        with pytest.raises(CancelledError):
            start()
        study = store.study(name)
        assert study.spec == asked.model_dump(mode="json") | {"transforms": ["units", "rank", "bits"]}
        assert study.context["conditions"]["transforms"] == ["units", "rank", "bits"]
        assert study.context["choice"]["words"] in study.context["notes"]
        assert study.context["choice"]["words"] in heard
        dense, rank = study.context["choice"]["figures"]
        assert (dense["ratio_torch"], dense["conditions"]["threads"]) == (1, 1)
        assert rank["interval"][0] <= rank["ratio_torch"] <= rank["interval"][1]
        heard.clear()
    with pytest.raises(CancelledError):
        resume("direct", **run)
    assert store.study("direct").context["choice"]["words"] in store.study("direct").context["notes"]
    assert not any(text.startswith("auto takes") for text in heard), "nothing was open any more"
    store.close()
