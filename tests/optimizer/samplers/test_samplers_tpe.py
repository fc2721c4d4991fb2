"""TPE proposes what Optuna proposes in a study of the same candidates, and keeps the contract."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, FloatDistribution
from sampler_contract import LearnerContract, told_at_random

from optimizer.samplers import make_sampler
from optimizer.samplers.protocol import Point, Told
from optimizer.samplers.replay import Problem

values = st.sampled_from([0.0, 0.1, 0.2, 0.30000000000000004, 0.7, 1.0])
violations = st.sampled_from([-1.0, 0.0, 0.5, 2.0])
coordinates = st.one_of(st.sampled_from([0.0, 0.25, 1.0]), st.floats(0, 1))


class TestTpe(LearnerContract):
    name, margin, minds = "tpe", 1.4, True


@st.composite
def studies(draw: st.DrawFn) -> tuple[Problem, list[Told], list[Point]]:
    problem = Problem(
        dimensions=draw(st.sampled_from([1, 2, 4, 11])),
        seed=draw(st.integers(0, 9)),
        budget=100,
        objectives=draw(st.integers(2, 4)),
        constraints=draw(st.integers(0, 2)),
    )
    point = st.tuples(*[coordinates] * problem.dimensions)
    worth = st.tuples(point, st.tuples(*[values] * problem.objectives), st.tuples(*[violations] * problem.constraints))
    rows = draw(st.lists(worth, min_size=10, max_size=40))
    told = [
        Told(number=number, point=point, losses=losses, violations=violations)
        for number, (point, losses, violations) in enumerate(rows)
    ]
    return problem, told, draw(st.lists(point, max_size=3))


@given(study=studies())
@settings(max_examples=40, deadline=None)
def test_it_proposes_what_optuna_does(study: tuple[Problem, list[Told], list[Point]]) -> None:
    assert ours(*study) == pytest.approx(optunas(*study), abs=1e-9)


@pytest.mark.parametrize(("objectives", "in_flight"), [(2, 0), (3, 5)])
def test_it_proposes_what_optuna_does_after_many_candidates(objectives: int, in_flight: int) -> None:
    told = told_at_random(400 + in_flight, objectives=objectives, constraints=1)
    problem = Problem(dimensions=4, seed=1, budget=1000, objectives=objectives, constraints=1)
    study = problem, told[:400], [each.point for each in told[400:]]
    assert ours(*study) == pytest.approx(optunas(*study), abs=1e-9)


def ours(problem: Problem, told: Sequence[Told], expected: Sequence[Point]) -> Point:
    sampler = make_sampler(
        "tpe",
        dimensions=problem.dimensions,
        seed=problem.seed,
        budget=problem.budget,
        objectives=problem.objectives,
        constraints=problem.constraints,
    )
    sampler.recall(told, expected=expected)
    return sampler.ask(len(told), 1)


def optunas(problem: Problem, told: Sequence[Told], expected: Sequence[Point]) -> Point:
    space: dict[str, BaseDistribution] = {f"x{axis}": FloatDistribution(0.0, 1.0) for axis in range(problem.dimensions)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seed = problem.seed_of(len(told), 1)
        sampler = optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=0, multivariate=True, constant_liar=bool(expected)
        )
        study = optuna.create_study(directions=["minimize"] * problem.objectives, sampler=sampler)
    for each in told:
        study.add_trial(
            optuna.trial.create_trial(
                values=each.losses,
                params=dict(zip(space, each.point, strict=True)),
                distributions=space,
                constraints={str(index): value for index, value in enumerate(each.violations)},
            )
        )
    for point in expected:
        running = optuna.trial.TrialState.RUNNING
        params = dict(zip(space, point, strict=True))
        study.add_trial(optuna.trial.create_trial(state=running, params=params, distributions=space))
    params = study.ask(space).params
    return tuple(params[name] for name in space)
