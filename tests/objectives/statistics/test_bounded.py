from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from objectives.metrics import METRICS
from objectives.metrics.ranking import RANKINGS
from objectives.statistics import MeanDrop, largest_certifiable_mean_drop, score_drop

EPSILON, N = 0.05, 150
WORLDS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "rare and whole": lambda rng: (rng.random(N) < EPSILON).astype(float),
    "losses and gains": lambda rng: rng.choice([-1.0, 1.0], N, p=[(1 - EPSILON) / 2, (1 + EPSILON) / 2]),
    "all alike": lambda rng: rng.normal(EPSILON, 0.02, N),
}


@pytest.mark.parametrize("world", WORLDS)
def test_a_drop_of_epsilon_is_seldom_taken_for_less(world: str) -> None:
    rng = np.random.default_rng(0)
    assert np.mean([MeanDrop(WORLDS[world](rng)).p_value(EPSILON) <= 0.05 for _ in range(300)]) <= 0.05


def test_bound_and_p_value_invert_each_other_and_tell_what_n_allows() -> None:
    found = MeanDrop(np.random.default_rng(0).normal(0.01, 0.05, 1000).clip(-1, 1))
    assert found.p_value(found.upper_at(0.95)) == pytest.approx(0.05)
    interval = found.interval()
    assert interval.lower < found.losses.mean() < found.upper_at(0.95) < interval.upper
    assert MeanDrop(np.ones(20)).upper_at(0.95) == 1.0
    assert MeanDrop(np.zeros(20)).upper_at(0.95) > 0.1  # twenty examples without a loss prove little
    alike = np.full(500, largest_certifiable_mean_drop(500, 0.02))
    assert 0.01 < MeanDrop(alike).p_value(0.02) <= 0.05


def test_shares_are_bounded_and_correlations_are_not() -> None:
    best = np.array([[1.0, 0.0], [2.0, 1.0], [1.0, 0.0]])
    found = score_drop(RANKINGS["mrr@10"], best, best, best[:, ::-1])
    assert isinstance(found, MeanDrop)
    assert found.losses.tolist() == [0.5, 0.0, 0.5]
    assert score_drop(METRICS["pearson"], best[:, 0], best[:, 0], best[:, 0]) is None
