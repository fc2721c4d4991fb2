"""Trials: the candidates of a study as trials of an Optuna study, for its dashboard and its plots."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from optimizer.errors import InputError
from optimizer.quiet import quiet_optuna
from optimizer.views.member import Member, RunResult

CONSTRAINT = "drop - epsilon"


def optuna_study(
    result: RunResult, candidates: Sequence[Member], storage: str | optuna.storages.BaseStorage | None = None
) -> Any:  # Any: optuna is untyped
    """Return a new Optuna study with the evaluated candidates of a study as trials.

    Its objectives are the drop and the costs that were minimised, as ratios to the dense model's; its parameters are
    the levels of all groups; its constraint, if the study has an ε, is drop - ε, at most 0 where the candidate is
    feasible. Without a `storage` it is in memory. Raises `InputError` where the storage has a study of that name.
    """
    dense = result.baseline.levels if result.baseline else {}
    directions = [optuna.study.StudyDirection.MINIMIZE] * (1 + len(result.objectives))
    with quiet_optuna():
        try:
            study = optuna.create_study(storage=storage, study_name=result.study, directions=directions)
        except optuna.exceptions.DuplicatedStudyError as error:
            raise InputError("storage", f"has a study {result.study!r} already; delete it there first") from error
        objectives = ["drop", *(f"{cost}_ratio" for cost in result.objectives)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # since Optuna 3.2
            study.set_metric_names(objectives)
        known = {"model": result.model, "task": result.task, "epsilon": result.epsilon, "objectives": objectives}
        for name, value in known.items():
            study.set_user_attr(name, value)
        study.add_trials([_trial(member, dense, objectives, result.epsilon) for member in candidates])
    return study


def _trial(member: Member, dense: Mapping[str, int], objectives: Sequence[str], epsilon: float | None) -> FrozenTrial:
    values = [member.drop, *(member.ratio(name.removesuffix("_ratio")) for name in objectives[1:])]
    widest = {group: max(units, dense.get(group, units), 1) for group, units in member.levels.items()}
    known = [value for value in values if value is not None]
    is_known = len(known) == len(values)
    excess = None if member.drop is None or epsilon is None else member.drop - epsilon
    return create_trial(
        state=TrialState.COMPLETE if is_known else TrialState.FAIL,
        values=known if is_known else None,
        params=member.levels,
        distributions={group: IntDistribution(0, units) for group, units in widest.items()},
        constraints=None if excess is None else {CONSTRAINT: excess},
        system_attrs=None if excess is None else {"constraints": [excess]},  # as before Optuna 5, for optuna-dashboard
        user_attrs={"candidate": member.candidate, "origin": member.origin, "verdict": member.verdict.value},
    )
