"""Shares of variance, beside those of Optuna's walk through the same forest."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.distributions import IntDistribution
from optuna.importance import FanovaImportanceEvaluator

from objectives.statistics.main_effects import main_effects


def test_the_shares_are_those_that_optuna_finds_in_the_same_forest() -> None:
    rng = np.random.default_rng(1)
    inputs = rng.integers(1, 6, (24, 3))
    values = 1 / inputs[:, 0] + 0.1 * inputs[:, 1] + rng.normal(0, 0.05, 24)
    study = optuna.create_study()
    ranges = {
        name: IntDistribution(int(low), int(inputs[:, i].max()))
        for i, (name, low) in enumerate(zip("abc", inputs.min(axis=0), strict=True))
    }
    for row, value in zip(inputs, values, strict=True):
        params = dict(zip("abc", map(int, row), strict=True))
        study.add_trial(optuna.trial.create_trial(params=params, distributions=ranges, value=value))
    found = optuna.importance.get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    assert main_effects(inputs, values, seed=0) == pytest.approx([found[name] for name in "abc"], abs=1e-12)


def test_what_hardly_ever_varies_in_a_sample_has_no_share() -> None:
    assert main_effects(np.array([[1], [2]]), np.zeros(2), seed=0).tolist() == [0.0]
