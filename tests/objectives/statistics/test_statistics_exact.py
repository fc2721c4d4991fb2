from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.statistics import allowed_losses, within_epsilon


@pytest.mark.parametrize(
    ("lost", "gained", "n", "epsilon", "within"),
    [
        (1, 0, 100, 0.01, True),
        (2, 0, 100, 0.01, False),
        (8, 0, 872, 0.01, True),
        (9, 0, 872, 0.01, False),
        (29, 0, 100, 0.29, True),  # 0.29 * 100 is 28.999999999999996 in floats
        (0, 0, 10, 0.0, True),
        (1, 0, 10, 0.0, False),
        (3, 3, 10, 0.0, True),
        (5, 7, 10, 0.0, True),
    ],
)
def test_drops_are_compared_in_whole_examples(lost: int, gained: int, n: int, epsilon: float, *, within: bool) -> None:
    assert within_epsilon(lost, gained, n, epsilon) is within


@given(n=st.integers(1, 100_000), points=st.integers(0, 9999))
def test_epsilon_means_what_is_written(n: int, points: int) -> None:
    assert allowed_losses(n, points / 10_000) == Fraction(points, 10_000) * n // 1


def test_a_numpy_epsilon_is_as_good_as_a_float() -> None:
    assert allowed_losses(100, np.float64(0.29)) == 29
    assert allowed_losses(10**6, 1e-05) == 10
