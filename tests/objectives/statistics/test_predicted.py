"""Predicted drops: what all candidates lost says more of a candidate than its own drop on the search examples."""

from __future__ import annotations

import numpy as np
import pytest

from objectives.statistics import Observed, predicted_drops
from objectives.statistics.shrinkage import CORRELATION

N = 1000
SAVED = np.linspace(0.2, 0.9, 40)
FEATURES = np.column_stack([np.ones(40), SAVED])
SIZES = SAVED[:, None]


def observed(drops: np.ndarray) -> Observed:
    return Observed(drops, 0.06 * SAVED, np.full(40, float(N)))


def test_a_lucky_candidate_is_predicted_to_lose_what_those_of_its_cost_do() -> None:
    drops = 0.02 * SAVED**2
    drops[30] -= 0.012
    found = predicted_drops(observed(drops), np.array([10, 30]), FEATURES, SIZES)
    assert found.means[0] == pytest.approx(drops[10], abs=0.002)
    assert drops[30] + 0.006 < found.means[1] < drops[30] + 0.014


def test_who_changes_few_answers_is_predicted_with_less_doubt() -> None:
    found = predicted_drops(observed(0.02 * SAVED), np.array([0, 39]), FEATURES, SIZES)
    few, many = np.sqrt(found.covariance.diagonal())
    assert few < many / 2
    assert found.variances == pytest.approx(0.06 * SAVED[[0, 39]], rel=0.01)


def test_the_variance_of_one_candidate_is_drawn_towards_that_of_its_size() -> None:
    still = observed(0.02 * SAVED)
    still.variances[20] = 0.0
    found = predicted_drops(still, np.array([20]), FEATURES, SIZES)
    assert 0.005 < found.variances[0] < 0.06 * SAVED[20] / 2


def test_drops_that_fresh_examples_may_show_scatter_by_what_is_unknown_and_by_the_examples() -> None:
    found = predicted_drops(observed(0.02 * SAVED), np.array([5, 30]), FEATURES, SIZES)
    drawn = found.observed(500, draws=20_000)
    assert drawn.mean(axis=0) == pytest.approx(found.means, abs=1e-12), "opposite pairs"
    noise = found.variances / 500
    assert drawn.var(axis=0) == pytest.approx(found.covariance.diagonal() + noise, rel=0.05)
    together = found.covariance[0, 1] + CORRELATION * np.sqrt(noise.prod())
    assert np.cov(drawn.T)[0, 1] == pytest.approx(together, rel=0.1)
    assert (found.observed(500, draws=10) == found.observed(500, draws=10)).all()
