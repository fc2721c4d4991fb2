"""What points promise: processes of losses and violations, and how likely they reach what nobody reaches yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from optimizer.samplers.kriging import Kernel, Process, fitted
from optimizer.samplers.protocol import Told
from optimizer.samplers.ranks import ranks_of
from optimizer.samplers.rows import Rows, rows
from optimizer.samplers.warp import Warp

EXACT = 1e-9  # share by which a violation may deviate from a line


class Outcomes(NamedTuple):
    """Candidates as arrays: points `(n, d)`, losses `(n, m)`, violations `(n, c)`."""

    points: Rows
    losses: Rows
    violations: Rows

    @classmethod
    def of(cls, told: Sequence[Told]) -> Self:
        """Return those of at least one candidate."""
        points, losses, violations = zip(*((each.point, each.losses, each.violations) for each in told), strict=True)
        return cls(rows(points), rows(losses), rows(violations))


class Fit(NamedTuple):
    """What is fitted: a warp and a kernel for each loss, then for each violation that is no limit on a loss."""

    limits: Rows  # on losses: `(m,)`, infinite where there is none
    apart: NDArray[np.intp]  # the violations with a process of their own
    outputs: Sequence[tuple[Warp, Kernel]]

    @classmethod
    def to(cls, told: Sequence[Told]) -> Self:
        """Return the fit to candidates."""
        points, losses, violations = Outcomes.of(told)
        limits = np.array([[limit_on(loss, violation) for loss in losses.T] for violation in violations.T])
        limits = limits.reshape(-1, losses.shape[1])
        apart = np.flatnonzero(np.isinf(limits).all(axis=1))
        front = losses[(ranks_of(told)[1] == 0) & (violations <= 0).all(axis=1)]
        warps = [loss_warp(loss, on_front) for loss, on_front in zip(losses.T, front.T, strict=True)]
        warps += [Warp.to(each, centre=0.0, width=float(np.median(np.abs(each)))) for each in violations.T[apart]]
        values = [*losses.T, *violations.T[apart]]
        outputs = [(warp, fitted(points, warp(each))) for warp, each in zip(warps, values, strict=True)]
        return cls(limits.min(axis=0, initial=np.inf), apart, outputs)


class Outlook:
    """What is to be expected of points, by a process for each output that has seen what is known."""

    def __init__(self, fit: Fit, known: Sequence[Told], pending: Rows) -> None:
        points, losses, violations = Outcomes.of(known)
        values = zip(fit.outputs, [*losses.T, *violations.T[fit.apart]], strict=True)
        self._fit, self._pending = fit, pending
        self._processes = [Process(kernel, points, warp(each), pending) for (warp, kernel), each in values]

    def believed(self) -> Rows:
        """Return the losses that are expected of what is in flight, of those that are expected to be feasible."""
        count = len(self._fit.limits)
        if not len(self._pending):
            return np.empty((0, count))
        expected = zip(self._fit.outputs, self._processes, strict=True)
        outcomes = np.stack([warp.of(process(self._pending)[0]) for (warp, _), process in expected], axis=1)
        losses, violations = outcomes[:, :count], outcomes[:, count:]
        feasible = (losses <= self._fit.limits).all(axis=1) & (violations <= 0).all(axis=1)
        believed: Rows = losses[feasible]
        return believed

    def promised(self, points: Rows, goals: Rows, weights: Rows) -> Rows:
        """Return what points `(k, d)` promise: `(k,)`, the logarithm of how surely they reach goals and are feasible.

        `goals` are losses `(g, m)`, each of which weighs as much as the logarithms `weights` `(g,)` say.
        """
        wanted = [*goals.T, *np.zeros((len(self._fit.apart), 1))]
        reached = weights
        for (warp, _), process, each in zip(self._fit.outputs, self._processes, wanted, strict=True):
            mean, deviation = process(points)
            reached = reached + log_ndtr((warp(each) - mean[:, None]) / deviation[:, None])
        highest = reached.max(axis=1)
        promised: Rows = highest + np.log(np.exp(reached - highest[:, None]).sum(axis=1))
        return promised


def limit_on(loss: Rows, violation: Rows) -> float:
    """Return the loss at which a violation is 0 that rises along a line with it, infinity where it does not."""
    low, high = loss.argmin(), loss.argmax()
    if loss[low] == loss[high] or violation[low] >= violation[high]:
        return np.inf
    slope = (violation[high] - violation[low]) / (loss[high] - loss[low])
    away = violation - violation[low] - slope * (loss - loss[low])
    if np.abs(away).max() > EXACT * np.abs(violation).max():
        return np.inf
    return float(loss[low] - violation[low] / slope)


def loss_warp(loss: Rows, front: Rows) -> Warp:
    """Return the warp of a loss `(n,)`: as wide as the front `(f,)`, and wide enough for a quarter of all."""
    above = loss - loss.min()
    enough = float(np.quantile(above, 0.25 if len(front) else 0.5))
    return Warp.to(loss, centre=float(loss.min()), width=max(float((front - loss.min()).max(initial=0.0)), enough))
