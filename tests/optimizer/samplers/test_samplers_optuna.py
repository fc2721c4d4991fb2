"""Optuna's samplers keep the contract, and Optuna keeps quiet."""

from __future__ import annotations

import logging
import warnings
from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest
from sampler_contract import GeneticContract, told_at_random

from optimizer.samplers import make_sampler


class TestNsga2(GeneticContract):
    name, margin = "nsga2", 1.15


class TestNsga3(GeneticContract):
    name, margin = "nsga3", 1.15


def ask(name: str) -> tuple[float, ...]:
    sampler = make_sampler(name, dimensions=4, seed=0, budget=40, objectives=2, constraints=1)
    for told in told_at_random(12, objectives=2, constraints=1):
        sampler.tell(told)
    return sampler.ask(12)


@pytest.mark.parametrize("name", ["tpe", "nsga2", "nsga3", "gp"])
def test_nothing_is_said_and_verbosity_stays(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    before = optuna.logging.get_verbosity()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        ask(name)
    assert said == []
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == before


def test_a_user_who_asked_optuna_for_less_keeps_less() -> None:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.ERROR)
    try:
        ask("tpe")
        assert optuna.logging.get_verbosity() == logging.ERROR
    finally:
        optuna.logging.set_verbosity(before)


def test_threads_asking_at_once_agree_and_leave_the_verbosity_as_it_was() -> None:
    before, filters = optuna.logging.get_verbosity(), list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        points = set(pool.map(ask, ["nsga3"] * 16))
    assert points == {ask("nsga3")}
    assert optuna.logging.get_verbosity() == before
    assert list(warnings.filters) == filters
