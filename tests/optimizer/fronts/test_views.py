"""What a member's figures claim: a gain is one only outside the noise of its measurement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from stored_studies import put_study
from torch import nn

from api.cli.render import print_front
from objectives.measurement import Interval, Measurement, Source
from optimizer.backends.names import CHANGED, TO_TORCH
from optimizer.backends.running import conditions_of_answers
from optimizer.fronts.fronts import front_of, members_of
from optimizer.fronts.headline import drop_in_words
from optimizer.fronts.result import result_of
from optimizer.fronts.views import RATIOS, Measured, ratio_of
from optimizer.handover.card import model_card
from optimizer.views.latencies import change_of, times
from optimizer.views.member import LatencyView, Member
from search_spaces.layouts.stored import store as store_in_codes
from search_spaces.transforms.bits.rounding import rounded
from studies.opening import open_store
from studies.records import Verification
from studies.store import StudyStore


@pytest.mark.parametrize(("upper", "kernels", "gain"), [(0.99, "", True), (1.01, "", False), (0.99, "dense", False)])
def test_energy_is_no_gain_where_its_interval_reaches_1(upper: float, kernels: str, gain: bool, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    study = put_study(store, "s", candidates=[(0.0, 0.5)])
    (candidate,) = store.candidates(study.id)
    common: dict[str, Any] = {
        "value": 0.95,
        "source": Source.NVML,
        "n": 3,
        "interval": Interval(lower=0.9, upper=upper),
    }
    named = {"energy": "J", "energy_ratio": "ratio"}.items()
    conditions = {"kernels": kernels} if kernels else {}
    found = [Measurement(quantity=name, unit=unit, conditions=conditions, **common) for name, unit in named]
    store.add_measurements(candidate.id, found)
    front = front_of(study, store.candidates(study.id))
    store.close()
    (member,) = front.items
    assert (member.energy_gain, member.energy_ratio) == (gain, 0.95)
    printed = Console(width=200)
    with printed.capture() as said:
        print_front(front, printed, resume="optimize resume")
    assert ("no gain" in said.get()) is not gain


def test_a_ratio_is_that_of_the_member(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    study = put_study(store, "s", candidates=[(0.0, 0.5)])
    (candidate,) = store.candidates(study.id)
    store.add_measurements(candidate.id, timed(0.01, 0.8, 0.9))
    (member,) = members_of(study, store.candidates(study.id))
    (candidate,) = store.candidates(study.id)
    store.close()
    costs = [*RATIOS, "mine"]
    found = {cost: ratio_of(cost, Measured(candidate.measurements), Measured(study.baseline)) for cost in costs}
    assert found == {cost: member.ratio(cost) for cost in costs}
    assert found["flops"] == 0.5
    assert found["latency"] == 0.9
    assert found["mine"] is None


def timed(value: float, ratio: float, to_torch: float | None = None, **conditions: object) -> list[Measurement]:
    """Return a latency with its ratios; without `to_torch` as torch has them."""
    common: dict[str, Any] = {"source": Source.MEASURED, "n": 6, "conditions": {"batch": 1, **conditions}}
    ratios = {"latency_ratio": ratio} | ({} if to_torch is None else {TO_TORCH: to_torch})
    around = {name: Interval(lower=value - 0.01, upper=value + 0.01) for name, value in ratios.items()}
    return [
        Measurement(quantity="latency", value=value, unit="s", **common),
        *(Measurement(quantity=q, value=r, unit="ratio", interval=around[q], **common) for q, r in ratios.items()),
    ]


def test_latency_steers_by_the_fastest_backend_and_each_ratio_says_to_what_it_is(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    study = put_study(store, "s", candidates=[(0.0, 0.5), (0.01, 0.4)])
    first, second = store.candidates(study.id)
    there = {"backend": "onnxruntime"}
    store.add_measurements(first.id, timed(0.008, 0.8, fastest=False) + timed(0.002, 0.4, 0.2, **there, fastest=True))
    store.add_measurements(second.id, timed(0.009, 0.9))
    dense = timed(0.01, 1.0) + timed(0.005, 1.0, 0.5, **there)
    store.update_study(study.id, baseline=[*study.baseline, *dense])
    members = {m.candidate: m for m in front_of(store.study("s"), store.candidates(study.id)).items}
    front = front_of(store.study("s"), store.candidates(study.id), limits={"latency": 0.25})
    store.close()
    assert [m.candidate for m in front.items] == [0]
    in_torch, elsewhere = members[0].latency
    assert (in_torch.backend, in_torch.ratio, in_torch.ratio_torch, in_torch.fastest) == ("torch", 0.8, 0.8, False)
    assert (elsewhere.backend, elsewhere.ratio, elsewhere.ratio_torch, elsewhere.fastest) == (
        "onnxruntime", 0.4, 0.2, True,
    )  # fmt: skip
    assert members[0].latency_ratio == 0.2
    assert members[0].latency_gain
    (alone,) = members[1].latency
    assert (alone.backend, alone.ratio_torch, alone.fastest) == ("torch", 0.9, True), "as before there were others"
    printed = Console(width=250)
    with printed.capture() as said:
        print_front(front, printed, resume="optimize resume")
    words = " ".join(said.get().split())
    assert "latency, batch 1, torch" in words
    assert "→ 2.0 ms ×0.40 [0.39, 0.41] of ONNX Runtime float32, ×0.20 [0.19, 0.21] of torch float32" in words


def test_what_is_no_gain_says_over_what() -> None:
    view = LatencyView(
        batch=1, backend="onnxruntime", seconds=1, ratio=1.1, ratio_interval=(1.0, 1.2), gain=False, source="measured",
        ratio_torch=0.6, ratio_torch_interval=(0.5, 0.7),
    )  # fmt: skip
    assert change_of(view, times) == "no gain over ONNX Runtime float32, ×0.60 of torch float32"
    assert change_of(view.model_copy(update={"backend": "torch"}), times) == "no gain"


def told(store: StudyStore, slug: str, *, changed: float | None = None, **conditions: Any) -> tuple[Member, str]:
    """Return a verified member whose drop was found under these conditions, and its card."""
    study = put_study(store, slug, candidates=[(0.0, 0.5)])
    (candidate,) = store.candidates(study.id)
    figures = {"drop": 0.0} | ({} if changed is None else {CHANGED: changed})
    store.add_measurements(
        candidate.id,
        [
            Measurement(quantity=name, value=value, unit="1", source=Source.MEASURED, n=800, conditions=conditions)
            for name, value in figures.items()
        ],
    )
    verification = Verification(
        examples="hash", n=800, metric=0.9, drop=0.0, interval=Interval(lower=-0.01, upper=0.01), lost=0, gained=0,
        predictions=b"", shortlist_size=1,
    )  # fmt: skip
    store.shortlist(study.id, [candidate.id])
    store.verify_candidate(candidate.id, verification)
    (member,) = members_of(store.study(slug), store.candidates(study.id))
    return member, model_card(member, result_of(store.study(slug), store))


def test_a_verdict_and_the_card_say_what_gave_the_answers_of_layers_of_8_bits(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.sqlite")
    member, card = told(store, "plain")
    assert member.answered is None
    assert "Answered by" not in card
    member, card = told(store, "older", changed=0.0125, backend="onnxruntime")
    assert member.verification
    assert (member.verification.backend, member.verification.answers_changed) == ("onnxruntime", 0.0125)
    assert member.verdict_in_words.endswith(", one request at a time")
    assert drop_in_words(member).endswith("verification examples, one request at a time")
    assert "Answered by ONNX Runtime, which makes integers of what layers of 8 bits read, one request at a time" in card
    assert "1.2% change in padded batches of 32." in card
    integers: dict[str, Any] = {"backend": "onnxruntime", "activations": "int8"}
    member, card = told(store, "real-numbers", **integers, answers="one by one")
    assert member.verdict_in_words.endswith(", one request at a time"), "of a metric whose answers are floats"
    member, card = told(store, "by-token", **integers)
    assert member.verdict_in_words == member.verdict.value
    assert "layers of 8 bits read; an answer does not depend on what else is in a batch." in card
    member, card = told(store, "floats", activations="float32")
    store.close()
    assert member.verdict_in_words.endswith(", with float activations")
    assert "**Warning.** Answered by torch with float activations. A runtime that makes integers" in card


def test_what_answers_is_found_on_the_model_that_runs() -> None:
    layer = nn.Linear(4, 4)
    model = nn.Sequential(layer)
    assert conditions_of_answers(model) == {}
    store_in_codes(layer, rounded(layer.weight.detach(), 8))
    assert conditions_of_answers(model) == {"activations": "float32"}
