"""Shrunken drops: a lucky member is corrected towards what the other candidates say."""

from __future__ import annotations

import numpy as np
import pytest

from objectives.statistics import Observed, ShrunkenDrop, shrunken_drops
from objectives.statistics.shrinkage import posterior


def observed(drops: list[float], n: int, discordant: float = 0.04) -> Observed:
    return Observed(np.array(drops), np.full(len(drops), discordant), np.full(len(drops), float(n)))


def features(costs: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(costs)), 1 - costs, (1 - costs) ** 2])


def test_of_one_candidate_alone_both_kinds_of_examples_are_weighed_by_their_numbers() -> None:
    (found,) = shrunken_drops(observed([0.02], 1000), observed([0.01], 3000), np.array([0]), features(np.array([0.5])))
    assert found.value == pytest.approx(0.0125, abs=1e-4)
    assert found.deviation == pytest.approx((0.04 / 4000) ** 0.5, rel=0.01)


def test_a_lucky_member_is_corrected_towards_the_candidates_of_its_cost() -> None:
    costs = np.linspace(0.3, 0.9, 60)
    true = 0.02 * (1 - costs)
    places = np.array([5, 40])
    luck = np.array([-0.008, 0.0])
    lucky, other = shrunken_drops(
        observed([*true], 872), observed([*(true[places] + luck)], 1800), places, features(costs)
    )
    assert true[5] - 0.006 < lucky.value < true[5]
    assert other.value == pytest.approx(true[40], abs=0.002)
    assert lucky.deviation < (0.04 / 1800) ** 0.5


def test_a_small_share_of_discordant_examples_by_luck_makes_a_drop_no_surer() -> None:
    costs, places = np.linspace(0.3, 0.9, 20), np.array([3, 4])
    search, verified = observed([0.005] * 20, 500), observed([0.0, 0.0], 500)
    verified.variances[0] = 0.001
    sure, doubtful = shrunken_drops(search, verified, places, features(costs))
    assert sure.deviation == pytest.approx(doubtful.deviation, rel=0.1)


def test_the_chance_is_a_bound_that_knows_half_as_much_below_one_half_and_no_less_than_the_model_above() -> None:
    drop = ShrunkenDrop(0.004, 0.004)
    assert drop.chance_above(0.01) == 0.15  # 0.144; the model alone says 0.067
    assert drop.chance_above(0.0) == 0.85  # 0.841
    assert drop.chance_above(0.05) == drop.chance_above(0.9) == 0.01  # never none at all
    assert drop.interval.lower == pytest.approx(0.004 - 1.96 * 0.004, abs=1e-5)


def test_what_drops_share_is_known_from_them_as_their_whole_covariance_tells() -> None:
    rng = np.random.default_rng(0)
    shared, own, drops = rng.normal(size=(30, 5)), rng.uniform(0.1, 1, 30), rng.normal(size=30)
    whole = shared @ shared.T + np.diag(own)
    known = np.linalg.solve(whole, np.column_stack([drops, shared]))
    likelihood, mean, covariance = posterior(shared, own, drops)
    assert likelihood == pytest.approx(-drops @ known[:, 0] / 2 - np.linalg.slogdet(whole).logabsdet / 2)
    assert mean == pytest.approx(shared.T @ known[:, 0])
    assert covariance == pytest.approx(np.eye(5) - shared.T @ known[:, 1:])


def test_a_hundred_thousand_candidates_are_no_hindrance() -> None:
    costs, places = np.linspace(0.1, 0.9, 100_000), np.array([10, 99_000])
    found = shrunken_drops(
        observed([*(0.02 * (1 - costs))], 872), observed([0.018, 0.002], 1800), places, features(costs)
    )
    assert [each.value for each in found] == pytest.approx([0.018, 0.002], abs=0.002)
