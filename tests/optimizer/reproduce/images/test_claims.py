"""When a measured value agrees with a published one, and how both are written."""

from __future__ import annotations

import pytest

from optimizer.reproduce.agreement import AGREES, DISAGREES, NOT_JUDGED, ONE_RUN, UNDECIDED, verdict
from optimizer.reproduce.claims import Published
from optimizer.reproduce.images.preset import QUANTITIES
from optimizer.reproduce.rows import Figure


def published(metric: str, **bounds: float) -> Published:
    place = {"where": "section 1", "configurations": ["*"], "datasets": ["mnist"], "models": ["mlp-small"]}
    return Published.model_validate({"metric": metric, **place, **bounds})


@pytest.mark.parametrize(
    ("metric", "bounds", "inside", "outside"),
    [
        ("accuracy", {"value": 0.92}, 0.95, 0.88),
        ("accuracy", {"at_most": 0.2}, 0.2, 0.21),
        ("loss", {"value": 2.0}, 2.5, 2.51),
        ("time_change", {"value": -0.33}, -0.25, -0.24),
        ("time_change", {"value": 0.0}, 0.01, 0.011),
        ("accuracy_relative", {"at_least": -0.02}, -0.0199, -0.0201),
    ],
)
def test_agreement_ends_where_it_is_said_to_end(
    metric: str, bounds: dict[str, float], inside: float, outside: float
) -> None:
    assert QUANTITIES[metric].agrees(published(metric, **bounds), inside)
    assert not QUANTITIES[metric].agrees(published(metric, **bounds), outside)


def test_bounds_are_written_with_their_units() -> None:
    written = {
        published("inference_s", at_least=0.002, at_most=0.008): "at least 0.002 s and at most 0.008 s",
        published("accuracy", value=0.92): "92.00%",
        published("time_change", at_most=0.0): "at most +0.00%",
        published("weights", value=138e6): "138,000,000",
    }
    assert all(QUANTITIES[claim.metric].claimed(claim) == words for claim, words in written.items())


@pytest.mark.parametrize(
    ("mean", "deviation", "runs", "words"),
    [
        (-0.002, 0.01, 3, UNDECIDED),
        (0.002, 0.01, 3, UNDECIDED),
        (-0.2, 0.01, 3, AGREES),
        (0.2, 0.01, 3, DISAGREES),
        (-0.2, None, 1, ONE_RUN),
    ],
)
def test_noise_around_a_bound_is_neither_agreement_nor_its_contrary(
    mean: float, deviation: float | None, runs: int, words: str
) -> None:
    claim = published("time_change", at_most=0.0)
    assert verdict(QUANTITIES["time_change"], claim, Figure(mean=mean, deviation=deviation), runs) == words


def test_seconds_and_joules_of_another_machine_are_not_judged() -> None:
    for metric in ("training_s", "training_j", "inference_s"):
        claim = published(metric, value=8000.0)
        assert verdict(QUANTITIES[metric], claim, Figure(mean=8000.0, deviation=1.0), 3) == NOT_JUDGED
