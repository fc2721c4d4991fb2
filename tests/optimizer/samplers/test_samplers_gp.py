"""Gaussian processes keep the contract, and a study that resumes goes on as it would have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pruning_like as world
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampler_contract import LearnerContract, assert_in_cube, told_at_random

from optimizer.samplers.gp import GpSampler
from optimizer.samplers.promise import Fit
from optimizer.samplers.protocol import Told
from optimizer.samplers.replay import Problem
from optimizer.search.window import Window

COUNTS = {"dimensions": 4, "seed": 0, "budget": 100, "objectives": 2, "constraints": 1}
huge = st.sampled_from([-1e150, -1.0, 0.0, 5e-324, 1e-300, 1e-17, 1.0, 1.0 + 2**-52, 1e150])


class TestGp(LearnerContract):
    name, margin, minds = "gp", 1.4, True

    @given(rows=st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), huge, huge, huge), min_size=10, max_size=16))
    @settings(max_examples=25, deadline=None)
    def test_no_loss_is_too_large_or_too_small(self, rows: list[tuple[float, float, float, float]]) -> None:
        told = [Told(number=n, point=(x,), losses=(y, z), violations=(v,)) for n, (x, y, z, v) in enumerate(rows)]
        with np.errstate(invalid="raise", divide="raise", over="raise"):
            assert_in_cube(self.make(told, dimensions=1).ask(17), 1)


def test_a_resume_goes_on_as_it_would_have_beyond_the_window_too() -> None:
    window, sampler = Window(), GpSampler(Problem(**COUNTS))
    rng = np.random.default_rng(0)
    for number in range(1100):
        window.add(world.evaluated(number, tuple((1 - 0.4 * rng.random(4)).tolist())))
        if number in {40, 127, 640, 1030} or number > 1095:
            sampler.recall(window.latest, forgotten=window.forgotten)
            fresh = GpSampler(Problem(**COUNTS))
            fresh.recall(list(window.latest), forgotten=window.forgotten)
            assert sampler.ask(number + 1) == fresh.ask(number + 1)


def test_kernels_are_fitted_at_stated_lengths_to_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[tuple[int, int]] = []

    def fit(told: Sequence[Told]) -> Fit:
        fitted.append((told[0].number, told[-1].number))
        return Fit.to(told)

    monkeypatch.setattr("optimizer.samplers.gp.Fit", SimpleNamespace(to=fit))
    sampler, told = GpSampler(Problem(**COUNTS)), told_at_random(300, objectives=2, constraints=1)
    for count in range(285, 300):
        sampler.recall(told[:count])
        sampler.ask(2 * count + 1)
    assert fitted == [(172, 271), (188, 287)]


def test_what_is_in_flight_is_kept_away_from() -> None:
    told = [world.evaluated(n, each.point) for n, each in enumerate(told_at_random(30, objectives=2, constraints=1))]
    sampler = GpSampler(Problem(**COUNTS))
    sampler.recall(told)
    alone = sampler.ask(30 + 1)
    sampler.recall(told, expected=[alone])
    assert sampler.ask(30 + 1) != alone


def test_a_limit_that_no_loss_shows_is_learnt() -> None:
    """A twentieth of the cube is feasible."""
    told: list[Told] = []
    sampler = GpSampler(Problem(**COUNTS))
    for number in range(60):
        point = sampler.ask(number)
        losses = point[2], (1 - point[2]) ** 2 + point[3]
        told.append(Told(number=number, point=point, losses=losses, violations=(point[0] + point[1] - 0.3,)))
        sampler.recall(told)
    assert sum(each.is_feasible for each in told[30:]) > 15


def test_equal_points_of_other_numbers_are_no_hindrance() -> None:
    told = told_at_random(12, objectives=2, constraints=1)
    sampler = GpSampler(Problem(**COUNTS))
    sampler.recall([*told, *(replace(each, number=each.number + 12) for each in told)])
    assert_in_cube(sampler.ask(25), 4)
