from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.statistics import holm

P_VALUES = st.lists(st.floats(0, 1), max_size=12)


def rejected_by_definition(p_values: list[float], alpha: float) -> set[int]:
    """Holm's step-down as published: the i-th smallest of k against alpha / (k − i + 1), until the first that fails."""
    rejected: set[int] = set()
    for step, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[index] * (len(p_values) - step) > alpha:
            break
        rejected.add(index)
    return rejected


@given(P_VALUES, st.sampled_from([0.01, 0.05, 0.2]))
def test_an_adjusted_p_value_at_or_below_alpha_is_a_rejection_as_published(p: list[float], alpha: float) -> None:
    assert set(np.flatnonzero(holm(p) <= alpha)) == rejected_by_definition(p, alpha)


@given(P_VALUES)
def test_adjusting_never_helps_and_keeps_the_order(p: list[float]) -> None:
    adjusted = holm(p)
    assert np.all(adjusted >= p)
    assert np.all(np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0)


def test_a_known_example() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert len(holm([])) == 0


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_values_that_are_no_probabilities_are_refused(p: float) -> None:
    with pytest.raises(ValueError, match="p-values"):
        holm([0.5, p])


def test_one_false_certificate_among_twelve_is_rare() -> None:
    p = np.random.default_rng(0).random((4000, 12))  # no member is within ε
    wrong = sum(bool((holm(row) <= 0.05).any()) for row in p)
    assert wrong / 4000 < 0.06
