"""Fit the constants of a profile to what a meter showed, and say how well: each work predicted from all others.

Joules beyond those at rest are a sum of what each constant accounts for, so a fit is one factor per constant. Their
logarithms are found by least squares of relative errors, which weigh a light work like a heavy one. A published
constant pulls at its factor as weakly as one that may be wrong by `APART`: it decides only what no work can tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, hypot, log

import numpy as np
import psutil
from numpy.typing import NDArray
from scipy.optimize import least_squares

from objectives.energy.computed import FLOAT32, Computed
from objectives.energy.modelled import Z95, level_shares
from objectives.energy.profiles import LEVELS, Constant, Profile

APART = 30.0  # a published constant may be wrong by as much, 95 %
AWAKE = "awake"
SIGMA = 0.1  # relative error of a work before it is known
LEAST_SIGMA = 0.01  # no meter is better
SETTLED = 4  # times the error is estimated and the fit repeated

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Metered:
    """A work under a meter: what one run computes, its seconds, and its joules beyond those at rest, all positive."""

    computed: Computed
    seconds: float
    joules: float


@dataclass(frozen=True, slots=True)
class Factor:
    """By how much a published constant is multiplied, and the deviation of the logarithm of that."""

    value: float
    deviation: float


def fitted(profile: Profile, works: Sequence[Metered], threads: int) -> dict[str, Factor]:
    """Return the factor of every constant that the works tell of: of being awake, of precisions, of levels.

    Raises:
        ValueError: no works, or one without joules.
    """
    if not works or min(work.joules for work in works) <= 0:
        raise ValueError("a fit needs works, each with joules beyond those at rest")
    names, joules = _shares(profile, works, threads)
    measured = np.array([work.joules for work in works])
    logs, sigma = np.zeros(len(names)), SIGMA
    for _ in range(SETTLED):
        prior = sigma * Z95 / log(APART)

        def residuals(logs: Floats, prior: float = prior) -> Floats:
            return np.concatenate([np.log(joules @ np.exp(logs) / measured), prior * logs])

        found = least_squares(residuals, logs)
        logs, jacobian, apart = found.x, np.asarray(found.jac, dtype=float), found.fun[: len(works)]
        free = max(1.0, len(works) - _determined(jacobian, len(works)))
        sigma = max(LEAST_SIGMA, float(np.sqrt(np.sum(apart**2) / free)))
    deviations = sigma * np.sqrt(np.diag(np.linalg.inv(jacobian.T @ jacobian)))
    return {
        name: Factor(exp(value), float(deviation))
        for name, value, deviation in zip(names, logs, deviations, strict=True)
    }


def predicted(profile: Profile, factors: Mapping[str, Factor], work: Metered, threads: int) -> float:
    """Return the joules of a work beyond those at rest; a constant without a factor is as published."""
    names, joules = _shares(profile, [work], threads)
    published = Factor(1.0, 0.0)
    return float(sum(share * factors.get(name, published).value for name, share in zip(names, joules[0], strict=True)))


def left_out(profile: Profile, works: Sequence[Metered], threads: int) -> list[float]:
    """Return the joules of every work beyond those at rest as predicted by a fit to all others (at least two)."""
    return [
        predicted(profile, fitted(profile, [*works[:at], *works[at + 1 :]], threads), work, threads)
        for at, work in enumerate(works)
    ]


def with_factors(
    profile: Profile, factors: Mapping[str, Factor], *, rest_w: tuple[float, float], source: str
) -> Profile:
    """Return the profile with its constants multiplied, and with the power at rest as it was measured twice.

    A thread of a CPU has its share of the power at rest, which is that of all processors. A precision that no work
    had keeps its published proportion to float32.
    """
    of = (psutil.cpu_count() or 1) if profile.per_thread else 1
    known = factors.get(FLOAT32, Factor(1.0, log(APART) / Z95))
    return profile.model_copy(
        update={
            "source": source,
            "idle_w": Constant(value=sum(rest_w) / 2, lower=min(rest_w), upper=max(rest_w)).scaled(1 / of),
            "awake_w": _scaled(profile.awake_w, factors[AWAKE]),
            "flop_j": {
                kind: _scaled(each, factors[kind]) if kind in factors else _beside(each, known)
                for kind, each in profile.flop_j.items()
            },
            "byte_j": {
                level: _scaled(each, factors[level]) if level in factors else each
                for level, each in profile.byte_j.items()
            },
        }
    )


def _shares(profile: Profile, works: Sequence[Metered], threads: int) -> tuple[list[str], Floats]:
    """Return the names of the constants that works tell of, and `(works, constants)` joules by the published ones."""
    at_work = threads if profile.per_thread else 1
    rows = []
    for work in works:
        row = {AWAKE: at_work * work.seconds * profile.awake_w.value}
        for precision, flops in work.computed.flops.items():
            kind = profile.flop(precision)
            row[kind] = row.get(kind, 0.0) + flops * profile.flop_j[kind].value
        shares = level_shares(work.computed.traffic, profile.sizes)
        rows.append(row | {level: shares[level] * profile.byte_j[level].value for level in LEVELS})
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if any(row.get(name) for row in rows)]
    return names, np.array([[row.get(name, 0.0) for name in names] for row in rows])


def _determined(jacobian: Floats, works: int) -> float:
    """Return how many factors the works determine, each in part where the published constant does the rest."""
    of_works = jacobian[:works]
    return float(np.trace(np.linalg.solve(jacobian.T @ jacobian, of_works.T @ of_works)))


def _scaled(constant: Constant, factor: Factor) -> Constant:
    value, apart = constant.value * factor.value, exp(Z95 * factor.deviation)
    return Constant(value=value, lower=value / apart, upper=value * apart)


def _beside(constant: Constant, factor: Factor) -> Constant:
    """Return a constant that goes with another's factor: as uncertain as that and its own published range."""
    own = max(log(constant.value / constant.lower), log(constant.upper / constant.value)) / Z95
    return _scaled(constant, Factor(factor.value, hypot(factor.deviation, own)))
