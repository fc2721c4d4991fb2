"""Timing in several backends: to what each ratio is, and which backend is the fastest."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from torch import nn

from objectives.measurement import Measurement
from optimizer.backends.names import TO_TORCH
from optimizer.fronts.views import Measured
from optimizer.measuring.measure import Asked, Shape, measure_models
from optimizer.measuring.timing import DENSE, REFERENCE, Rounds, Run, fastest_backends, time_runs
from optimizer.views.latencies import place_of, title_of

OTHER = "onnxruntime"
INPUTS = {"x": torch.zeros(1, 1)}


class Takes(nn.Module):
    """Takes so many milliseconds of the processor, which neighbours do not lengthen.

    `conditions` are as a module has them that another backend than torch runs.
    """

    def __init__(self, milliseconds: float, *, elsewhere: bool = False) -> None:
        super().__init__()
        self.layer, self.seconds = nn.Linear(1, 1), milliseconds / 1e3
        if elsewhere:
            self.conditions = {"backend": OTHER, "dtype": "float32"}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        end = time.thread_time() + self.seconds
        while time.thread_time() < end:
            pass
        return self.layer(x)


RUNS = {
    REFERENCE: Takes(4),
    Run(DENSE, OTHER): Takes(2, elsewhere=True),
    Run("quick in torch"): Takes(0.2),
    Run("quick in torch", OTHER): Takes(1.5, elsewhere=True),
    Run("one backend", OTHER): Takes(1, elsewhere=True),
}


def rounds(seconds: float = 0.0) -> Rounds:
    rng = np.random.default_rng(0)
    return Rounds(lambda _: INPUTS, {"length": 3}, threads=1, rng=rng, seconds=seconds, comparisons=1)


def test_a_ratio_is_to_the_dense_model_in_the_same_backend_and_another_one_to_that_in_torch() -> None:
    timed = time_runs(RUNS, 1, rounds())
    assert list(timed) == list(RUNS)
    seconds, ratio, to_torch = timed["one backend", OTHER]
    assert (ratio.quantity, to_torch.quantity) == ("latency_ratio", TO_TORCH)
    assert ratio.value == pytest.approx(1 / 2, rel=0.5)
    assert to_torch.value == pytest.approx(1 / 4, rel=0.5)
    assert ratio.interval
    assert to_torch.interval
    assert seconds.conditions["backend"] == OTHER
    assert [m.quantity for m in timed[Run("quick in torch")]] == ["latency", "latency_ratio"]
    assert "backend" not in timed[REFERENCE][0].conditions
    assert timed[Run(DENSE, OTHER)][1].value == 1
    assert timed[Run(DENSE, OTHER)][2].value == pytest.approx(1 / 2, rel=0.5)


def test_the_fastest_backend_is_chosen_where_a_model_has_several() -> None:
    assert fastest_backends(RUNS, 1, rounds()) == {DENSE: OTHER, "quick in torch": "torch"}
    of_one = {run: model for run, model in RUNS.items() if run.model != "quick in torch"}
    assert fastest_backends(of_one, 1, rounds()) == {}


def test_further_shapes_have_latencies_alone_and_the_first_one_has_the_energy() -> None:
    runs = {REFERENCE: Takes(0.2), Run("lean"): Takes(0.1)}
    further = [Shape(lambda _: INPUTS, {"sequence_length": length}) for length in (16, 64)]
    asked = Asked(lambda _: INPUTS, lambda _: 2.0, {"sequence_length": 8}, further=further)
    seen: list[tuple[int, int]] = []
    taken = measure_models(
        runs, asked, batch_sizes=(1, 2), threads=1, seed=0, latency_s=0, progress=lambda *step: seen.append(step)
    )
    places = [
        (m.conditions["sequence_length"], m.conditions["batch"]) for m in taken["lean"] if m.quantity == "latency"
    ]
    assert places == [(8, 1), (8, 2), (16, 1), (16, 2), (64, 1), (64, 2)]
    others = [m for m in taken["lean"] if m.quantity in ("energy", "memory")]
    assert {m.conditions["sequence_length"] for m in others} == {8}
    assert seen[-1] == (8, 8)
    views = Measured(taken["lean"]).latencies()
    assert [place_of(view) for view in views] == [(b, "torch", n) for n in (8, 16, 64) for b in (1, 2)]
    assert [title_of(place_of(view), [*map(place_of, views)]) for view in views][:3] == [
        "batch 1, 8 tokens", "batch 2, 8 tokens", "batch 1, 16 tokens",
    ]  # fmt: skip


def test_the_rounds_that_choose_are_not_those_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    sampled: list[tuple[float, ...]] = []
    timed = Rounds.timed

    def watched(self: Rounds, runs: dict[Run, nn.Module], batch: int) -> list[dict[Run, Measurement]]:
        found = timed(self, runs, batch)
        sampled.extend(cost.samples for session in found for cost in session.values())
        return found

    monkeypatch.setattr(Rounds, "timed", watched)
    built: dict[object, nn.Module] = {key: Takes(0) for key in ("quick in torch", "one backend")}
    asked = Asked(lambda _: INPUTS, flops=lambda _: 2.0, conditions={"length": 3}, built=built)
    taken = measure_models(
        RUNS, asked, batch_sizes=(1,), threads=1, seed=0, latency_s=0, progress=lambda _done, _total: None
    )
    reported = [m.samples for some in taken.values() for m in some if m.quantity == "latency"]
    assert len(reported) == len(RUNS)
    assert len(sampled) == 2 * len(RUNS)
    assert set(sampled[: len(RUNS)]).isdisjoint(reported)

    def of(key: str, quantity: str) -> list[Measurement]:
        return [m for m in taken[key] if m.quantity == quantity]

    assert [m.conditions["fastest"] for m in of("quick in torch", "latency")] == [True, False]
    assert all("fastest" not in m.conditions for m in of("one backend", "latency"))
    (energy,), (ratio,) = of("quick in torch", "energy"), of("one backend", "energy_ratio")
    assert "backend" not in energy.conditions, "of the fastest backend"
    assert ratio.conditions["backend"] == OTHER
    assert ratio.value == pytest.approx(1 / 4, rel=0.5), "to the dense model in torch"
