"""The score's size and coverage by full enumeration of all outcomes, not by trust in asymptotics."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gammaln, xlogy

from objectives.statistics import paired_drop_interval, paired_drop_p_value, paired_drop_upper


@st.composite
def outcomes(draw: st.DrawFn) -> tuple[int, int, int]:
    n = draw(st.integers(1, 100_000))
    lost = draw(st.integers(0, n))
    return lost, draw(st.integers(0, n - lost)), n


@given(outcomes(), st.floats(0.51, 0.999))
def test_bound_and_p_value_invert_each_other(outcome: tuple[int, int, int], level: float) -> None:
    upper = paired_drop_upper(*outcome, level)
    assert (outcome[0] - outcome[1]) / outcome[2] <= upper <= 1
    if upper < 1:
        assert paired_drop_p_value(*outcome, upper) == pytest.approx(1 - level, rel=1e-5)
        assert paired_drop_p_value(*outcome, min(upper + 1e-6, 1 - 1e-9)) <= 1 - level
        assert paired_drop_p_value(*outcome, max(upper - 1e-6, -1 + 1e-9)) >= 1 - level


@given(outcomes())
def test_the_p_value_falls_as_the_tolerance_grows(outcome: tuple[int, int, int]) -> None:
    values = np.array([paired_drop_p_value(*outcome, epsilon) for epsilon in np.linspace(-0.99, 0.99, 67)])
    below_half = values[int(np.argmax(values < 0.5)) :] if (values < 0.5).any() else values[:0]
    assert np.all(np.diff(below_half) <= 1e-12)
    assert np.all(below_half < 0.5)


@given(outcomes())
def test_the_interval_holds_the_observed_drop_and_mirrors_when_models_swap(outcome: tuple[int, int, int]) -> None:
    lost, gained, n = outcome
    interval, swapped = paired_drop_interval(lost, gained, n), paired_drop_interval(gained, lost, n)
    assert interval.lower <= (lost - gained) / n <= interval.upper
    assert (interval.lower, interval.upper) == (-swapped.upper, -swapped.lower)


@pytest.mark.parametrize("lost", range(12))
def test_one_example_more_lost_raises_bound_and_p_value(lost: int) -> None:
    assert paired_drop_upper(lost, 3, 200) < paired_drop_upper(lost + 1, 3, 200)
    assert paired_drop_p_value(lost, 3, 200, 0.02) < paired_drop_p_value(lost + 1, 3, 200, 0.02)


@pytest.mark.parametrize("n", [15, 40])
@pytest.mark.parametrize("drop", [0.0, 0.01, 0.05, 0.2])
@pytest.mark.parametrize("gain_rate", [0.0, 0.01, 0.05, 0.2])
def test_a_true_drop_of_epsilon_is_certified_at_most_one_time_in_twenty(n: int, drop: float, gain_rate: float) -> None:
    probability = outcome_probabilities(n, gain_rate + drop, gain_rate)
    size = sum(p for (lost, gained), p in probability.items() if certifies(lost, gained, n, drop))
    assert size <= 0.05


@pytest.mark.parametrize("drop", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("gain_rate", [0.0, 0.05, 0.2])
def test_the_interval_covers_the_truth_nineteen_times_in_twenty(drop: float, gain_rate: float) -> None:
    n = 30
    probability = outcome_probabilities(n, gain_rate + drop, gain_rate)
    assert sum(p for (lost, gained), p in probability.items() if covers(lost, gained, n, drop)) >= 0.95


def test_the_size_holds_where_the_uncorrected_score_exceeds_it() -> None:
    # the worst case found for Tango's score as published: 6.2 % at n = 277, ε = 0.01, no gains
    n, epsilon = 277, 0.01
    nothing_lost = (1 - epsilon) ** n
    assert nothing_lost > 0.06
    assert paired_drop_p_value(0, 0, n, epsilon) >= nothing_lost


def test_identical_answers_certify_nothing_at_zero_tolerance_and_much_with_many_examples() -> None:
    assert paired_drop_p_value(0, 0, 1000, 0.0) == 1.0
    assert paired_drop_p_value(0, 0, 20, 0.01) > 0.05
    assert paired_drop_p_value(0, 0, 1821, 0.01) < 1e-4


@pytest.mark.parametrize("outcome", [(-1, 0, 5), (0, -1, 5), (3, 3, 5), (0, 0, 0)])
def test_impossible_counts_are_refused(outcome: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="lost"):
        paired_drop_upper(*outcome)


def test_levels_and_tolerances_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="level"):
        paired_drop_upper(1, 0, 5, level=1.0)
    with pytest.raises(ValueError, match="epsilon"):
        paired_drop_p_value(1, 0, 5, 1.0)


def outcome_probabilities(n: int, loss_rate: float, gain_rate: float) -> dict[tuple[int, int], float]:
    """Return the trinomial probability of every (lost, gained)."""
    pairs = [(lost, gained) for lost in range(n + 1) for gained in range(n + 1 - lost)]
    lost, gained = np.array(pairs).T
    kept = n - lost - gained
    log_ways = gammaln(n + 1) - gammaln(lost + 1) - gammaln(gained + 1) - gammaln(kept + 1)
    log_chance = xlogy(lost, loss_rate) + xlogy(gained, gain_rate) + xlogy(kept, 1 - loss_rate - gain_rate)
    return dict(zip(pairs, np.exp(log_ways + log_chance), strict=True))


@functools.cache
def certifies(lost: int, gained: int, n: int, drop: float) -> bool:
    return paired_drop_p_value(lost, gained, n, drop) <= 0.05


@functools.cache
def covers(lost: int, gained: int, n: int, drop: float) -> bool:
    interval = paired_drop_interval(lost, gained, n)
    return interval.lower <= drop <= interval.upper
