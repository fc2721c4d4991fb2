from __future__ import annotations

import numpy as np
import pytest

from objectives.statistics import ratio_interval


def test_drift_that_both_saw_cancels() -> None:
    rng = np.random.default_rng(0)
    drift = np.linspace(1.0, 3.0, 60)  # a machine that slows down threefold
    fast, slow = 0.5 * drift, drift
    ratio, interval = ratio_interval(fast, slow, rng=rng)
    assert ratio == pytest.approx(0.5)
    assert interval.upper - interval.lower < 1e-9


def test_the_interval_covers_the_true_ratio_about_nineteen_times_in_twenty() -> None:
    rng, covered = np.random.default_rng(1), 0
    for _ in range(200):
        noise = rng.lognormal(sigma=0.1, size=(2, 40))
        _, interval = ratio_interval(0.6 * noise[0], noise[1], rng=rng, resamples=500)
        covered += interval.lower <= 0.6 <= interval.upper
    assert covered >= 180


def test_one_round_gives_the_ratio_without_width() -> None:
    ratio, interval = ratio_interval([2.0], [4.0], rng=np.random.default_rng(0))
    assert (ratio, interval.lower, interval.upper) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("one", "other"), [([], []), ([1.0], [0.0]), ([1.0, float("nan")], [1.0, 1.0]), ([1.0], [1, 2])]
)
def test_samples_that_are_not_paired_and_positive_are_refused(one: list[float], other: list[float]) -> None:
    with pytest.raises(ValueError, match=r"samples|shape"):
        ratio_interval(one, other, rng=np.random.default_rng(0))
