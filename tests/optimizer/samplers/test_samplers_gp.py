"""Optuna's Gaussian processes keep the contract, at fewer candidates: an ask takes a quarter of a second."""

from __future__ import annotations

from dataclasses import replace

from sampler_contract import SamplerContract, told_at_random

from optimizer.samplers.optuna_samplers import GpSampler
from optimizer.samplers.replay import Problem


class TestGp(SamplerContract):
    name = "gp"
    minds = True
    examples, length, told, attempts = 2, 12, 11, 5


def test_they_see_the_latest_and_of_those_before_the_front() -> None:
    told = [replace(each, violations=(-1.0,)) for each in told_at_random(40, objectives=2, constraints=1)]
    told[3] = replace(told[3], losses=(0.0, 0.9))  # on the front
    told[4] = replace(told[4], losses=(0.0, 0.8), violations=(0.1,))  # not feasible
    told[5] = replace(told[5], losses=(2.0, 2.0))  # dominated
    others = [replace(each, losses=(1.5, 1.5)) for each in told[6:29]]
    history = [*told[3:6], *others, *told[29:]]
    best = replace(told[0], number=50, losses=(0.5, 0.0), point=(0.1, 0.2, 0.3, 0.4))
    problem = Problem(dimensions=4, seed=0, budget=100, objectives=2, constraints=1)
    windowed, whole = GpSampler(problem, latest=12), GpSampler(problem)
    windowed.recall([*history, best])
    whole.recall([history[0], *history[-11:], best])
    assert windowed.ask(51) == whole.ask(51)
