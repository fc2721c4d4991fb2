"""Which students of a rung are trained further: pure arithmetic on costs and drops."""

from __future__ import annotations

import math

import pytest

from optimizer.recovery.leaders import Standing, leaders

COSTS = (0.3, 0.23, 0.18, 0.14, 0.11, 0.085, 0.065, 0.05)


def of(*drops: float, error: float = 0.002) -> list[Standing]:
    return [Standing(cost=cost, drop=drop, error=error) for cost, drop in zip(COSTS, drops, strict=False)]


@pytest.mark.parametrize(
    ("drops", "stay"),
    [
        ((0.0,) * 8, [0, 2, 4, 7]),  # all hold alike: the leanest, the most costly, and two between
        ((0.0, 0.0, 0.0, 0.0, 0.011, 0.03, 0.04, 0.06), [0, 1, 2, 4]),  # 4 is the leanest that may hold
        ((0.004, 0.004, 0.0, 0.004, 0.008, 0.02, 0.03, 0.04), [2, 3, 4, 0]),  # 2 beats 0 and 1
        ((0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.2, 0.3), [0, 1, 2, 3]),  # none holds: those nearest to it
        ((0.02, math.inf, 0.0, math.inf, math.inf, math.inf, math.inf, 0.03), [0, 2, 7, 1]),  # unstable ones come last
    ],
)
def test_those_that_lead_at_their_cost_stay(drops: tuple[float, ...], stay: list[int]) -> None:
    assert leaders(of(*drops), 4, 0.01) == sorted(stay)


def test_where_every_drop_is_tolerated_the_smallest_stay() -> None:
    assert leaders(of(0.01, 0.05, 0.02, 0.3, math.inf), 3, math.inf) == [0, 1, 2]


def test_a_drop_within_a_standard_error_does_not_beat() -> None:
    assert 0 in leaders(of(0.004, 0.0, 0.0, error=0.005), 2, 0.01)
    assert 0 not in leaders(of(0.004, 0.0, 0.0, error=0.003), 2, 0.01)


def test_few_students_all_stay() -> None:
    assert leaders([], 0, 0.01) == []
    assert leaders(of(0.5), 1, 0.01) == [0]
