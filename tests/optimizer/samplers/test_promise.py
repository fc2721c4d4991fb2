"""What points promise: goals that nobody reaches, warps that keep the order, limits found in violations."""

from __future__ import annotations

import math

import moocore
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.samplers.improvement import RAYS, STEPS, Corner
from optimizer.samplers.promise import limit_on
from optimizer.samplers.warp import Warp

values = st.floats(-100, 100)


@given(rows=st.lists(st.tuples(values, values, values), min_size=1, max_size=12), seed=st.integers(0, 9))
def test_no_candidate_reaches_a_goal(rows: list[tuple[float, ...]], seed: int) -> None:
    losses = np.array(rows)
    front = np.flatnonzero(moocore.is_nondominated(losses, keep_weakly=True)).tolist()
    corner = Corner.of(losses, front, np.full(3, np.inf))
    goals, weights = corner.goals(losses[front], np.random.default_rng(seed))
    assert goals.shape == (RAYS * len(STEPS), 3)
    assert np.isfinite(weights).all()
    assert not (losses[:, None] <= goals - 1e-9 * np.abs(goals)).all(axis=2).any()
    assert (goals <= corner.worst).all()


def test_goals_lie_below_limits_where_nothing_is_feasible() -> None:
    losses = np.array([[3.0, 1.0], [5.0, 0.5]])
    goals, _ = Corner.of(losses, [], np.array([2.0, np.inf])).goals(losses[[]], np.random.default_rng(0))
    assert (goals[:, 0] < 2.0).all()


@given(of=st.lists(values, min_size=2, max_size=12), centre=values, width=st.floats(0, 10), some=st.lists(values))
def test_a_warp_keeps_the_order(of: list[float], centre: float, width: float, some: list[float]) -> None:
    warp = Warp.to(np.array(of), centre=centre, width=width)
    assert (np.diff(warp(np.sort(some))) >= 0).all()
    assert warp.of(warp(np.array(some))) == pytest.approx(np.array(some), rel=1e-6, abs=1e-6)


@given(of=st.lists(st.integers(-50, 50), min_size=2, max_size=12, unique=True), width=st.floats(0, 10))
def test_warped_values_have_mean_0_and_deviation_1(of: list[int], width: float) -> None:
    warped = Warp.to(np.array(of, dtype=float), centre=min(of), width=width)(np.array(of, dtype=float))
    assert (warped.mean(), warped.std()) == pytest.approx((0.0, 1.0), abs=1e-9)


def test_equal_values_are_warped_to_nothing() -> None:
    assert np.abs(Warp.to(np.full(5, 0.3), centre=0.3, width=0.0)(np.full(5, 0.3))).max() < 1e-12


def test_a_violation_along_a_line_is_a_limit_and_any_other_is_none() -> None:
    loss = np.random.default_rng(0).random(30)
    assert limit_on(loss, (loss - 0.02) / 0.02) == pytest.approx(0.02)
    assert limit_on(loss, (0.02 - loss) / 0.02) == math.inf  # at least so much
    assert limit_on(loss, loss**2 - 0.02) == math.inf
    assert limit_on(loss, np.full(30, 0.5)) == math.inf
    assert limit_on(np.full(30, 0.5), loss) == math.inf
