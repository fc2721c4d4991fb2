from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from objectives.statistics.signed_rank import fewest_values, signed_rank_centre


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=80))
def test_the_interval_holds_the_centre(values: list[float]) -> None:
    centre = signed_rank_centre(values, 0.95)
    assert min(values) <= centre.lower <= centre.value <= centre.upper <= max(values)
    assert 0.5 <= centre.level <= 0.95


@pytest.mark.parametrize("n", [6, 9, 20, 45])
def test_what_the_test_does_not_reject_is_the_interval(n: int) -> None:
    values = np.random.default_rng(n).normal(0.3, 1, n)
    centre = signed_rank_centre(values, 0.95)

    def p_value(shift: float) -> float:
        return float(wilcoxon(values - shift, method="exact").pvalue)

    assert min(p_value(centre.lower + 1e-9), p_value(centre.upper - 1e-9)) > 0.05
    assert max(p_value(centre.lower - 1e-9), p_value(centre.upper + 1e-9)) <= 0.05


def test_few_values_say_at_which_level_their_range_holds() -> None:
    assert [signed_rank_centre(range(n), 0.95).level for n in range(2, 8)] == [0.5, 0.75, 0.875, 0.9375, 0.95, 0.95]


@pytest.mark.parametrize("level", [0.5, 0.95, 0.975, 0.99, 0.9995])
def test_the_fewest_values_reach_a_level_and_one_less_does_not(level: float) -> None:
    n = fewest_values(level)
    assert signed_rank_centre(range(n), level).level == level
    assert n == 2 or signed_rank_centre(range(n - 1), level).level < level


def test_the_normal_approximation_continues_the_enumeration() -> None:
    values = np.random.default_rng(0).normal(size=61)
    enumerated, normal = signed_rank_centre(values[:60], 0.95), signed_rank_centre(values, 0.95)
    assert normal.upper - normal.lower == pytest.approx(enumerated.upper - enumerated.lower, rel=0.05)


@pytest.mark.parametrize("n", [6, 10, 70])
def test_the_interval_covers_as_often_as_it_says_with_outliers_too(n: int) -> None:
    rng = np.random.default_rng(n)
    samples = rng.normal(size=(800, n)) * np.where(rng.random((800, n)) < 0.2, 10, 1)
    centres = [signed_rank_centre(each, 0.95) for each in samples]
    assert np.mean([each.lower <= 0 <= each.upper for each in centres]) >= 0.935
