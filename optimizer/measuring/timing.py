"""Timing: models in their backends in common rounds, compared with the dense model in the same backend and in torch."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from torch import nn

from objectives.latency import timed_sessions
from objectives.measurement import JsonScalar, Measurement
from objectives.repeats import compared
from optimizer.backends.names import TO_TORCH, TORCH
from optimizer.costs.request import Request

DENSE = "dense"  # the key of the dense model
LATENCY_RATIO = "latency_ratio"  # the quantity of a ratio to the dense model in the same backend
CHOICE_S = 2.0  # of rounds in which the backends of all models are compared


class Run(NamedTuple):
    """A model, by its key, in a backend."""

    model: Hashable
    backend: str = TORCH


REFERENCE = Run(DENSE)
Runs = Mapping[Run, nn.Module]


@dataclass(frozen=True)
class Rounds:
    """How runs are timed: the request, and what is said of it; `seconds` are those of one batch size.

    `comparisons` are the ratios of all batch sizes that are looked at together: a gain is one among all of them.
    """

    request: Request
    conditions: Mapping[str, JsonScalar]
    threads: int | None
    rng: np.random.Generator
    seconds: float
    comparisons: int

    def timed(self, runs: Runs, batch: int) -> list[dict[Run, Measurement]]:
        """Return the latency of every run, session by session; `runs` contain the dense model in every backend."""
        return timed_sessions(
            runs,
            self.request,
            dense=sorted((run for run in runs if run.model == DENSE), key=lambda run: run != REFERENCE),
            batch=batch,
            rng=self.rng,
            seconds=self.seconds,
            threads=self.threads,
            shape=self.conditions,
            comparisons=self.comparisons,
        )


def time_runs(runs: Runs, batch: int, rounds: Rounds) -> dict[Run, tuple[Measurement, ...]]:
    """Return the latency of every run with its ratio to the dense model in the same backend.

    What torch does not run has its ratio to the dense model in torch as well.
    """
    found: dict[Run, tuple[Measurement, ...]] = {}
    for costs in rounds.timed(runs, batch):
        found = {**{run: _compared(run, costs) for run in costs}, **found}  # dense figures are those of the first
    return {run: found[run] for run in runs}


def fastest_backends(runs: Runs, batch: int, rounds: Rounds) -> dict[Hashable, str]:
    """Return by model the backend in which it is fastest at a batch size, of models that have several to choose from.

    It is chosen in rounds of its own, which are not reported: the fastest of several looks too good in the rounds
    that chose it.
    """
    named: dict[Hashable, list[Run]] = {}
    for run in runs:
        named.setdefault(run.model, []).append(run)
    if all(len(several) == 1 for model, several in named.items() if model != DENSE):
        return {}
    ratios: dict[Run, float] = {}
    for costs in replace(rounds, seconds=min(rounds.seconds, CHOICE_S)).timed(runs, batch):
        ratios |= {run: _ratio(run, REFERENCE, costs).value for run in costs}
    return {model: min(several, key=ratios.__getitem__).backend for model, several in named.items() if len(several) > 1}


def _compared(run: Run, costs: Mapping[Run, Measurement]) -> tuple[Measurement, ...]:
    own = costs[run], _ratio(run, Run(DENSE, run.backend), costs)
    if run.backend == TORCH:
        return own
    return (*own, replace(_ratio(run, REFERENCE, costs), quantity=TO_TORCH))


def _ratio(run: Run, dense: Run, costs: Mapping[Run, Measurement]) -> Measurement:
    return compared({run: costs[run], dense: costs[dense]}, dense=dense)[run].ratio
