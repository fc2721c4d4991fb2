"""Gaussian processes: points by how much more they promise to cover, and how surely they are feasible.

A proposal conditions the processes on a window of what was told, which takes some milliseconds. Their kernels are
fitted at stated lengths of the list, to what it holds up to there, and so for many proposals. All follows from the
list: a study that resumes fits the kernels of the last such length once more, and goes on as it would have.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimizer.samplers.improvement import Corner
from optimizer.samplers.promise import Fit, Outlook
from optimizer.samplers.protocol import Point, Told
from optimizer.samplers.ranks import ranks_of
from optimizer.samplers.replay import Problem, ReplaySampler
from optimizer.samplers.rows import Rows, rows

STARTUP = 10  # candidates that are told before it learns from them
ANYWHERE = 8  # every eighth number has a uniform point, which finds what the processes would never look for
TRIES = 5  # proposals for a number after which a uniform point ends a row of duplicates
LATEST, FRONT, PENDING = 100, 30, 50  # candidates that processes know: the latest, of before and in flight beside them
FITTED = 100  # candidates that kernels are fitted to
OFTEN, SELDOM = 16, 64  # kernels are fitted anew once about a 16th of what was told is new, at the latest once 64 are
DRAWN = 50  # points anywhere, and as many around the best
ROUNDS, KEPT, CHILDREN = 2, 10, 40  # of points around the most promising ones
FARTHEST, CLOSEST = -0.5, -2.0  # powers of ten: how far around


class GpSampler(ReplaySampler):
    """A Gaussian process for each loss, by expected hypervolume improvement.

    A violation that rises along a line with a loss is a limit on this loss, as ε is on the drop. Any other one has a
    process of its own. What is in flight counts as if it had become what the processes expect (kriging believer).
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._fit: tuple[Sequence[Told], Fit | None] = (), None  # the latest, with what it was fitted to

    def ask(self, number: int, attempt: int = 0) -> Point:
        """Return the most promising point of some that are drawn and varied."""
        if len(self._told) < STARTUP or number % ANYWHERE == 0 or attempt >= TRIES:
            return self._problem.uniform(number, attempt)
        rng = np.random.default_rng(self._problem.sequence(number, attempt))
        losses, ranks = ranks_of(self._told)
        best: list[int] = np.flatnonzero(ranks == 0).tolist()
        front = best if self._told[best[0]].is_feasible else []
        fit = self._fitted()
        outlook = Outlook(fit, self._known(front), self._pending())
        reached = np.concatenate([losses[front], outlook.believed()])
        goals, weights = Corner.of(losses, front, fit.limits).goals(reached, rng)
        anywhere = rng.random((DRAWN, self._problem.dimensions))
        points = np.concatenate([anywhere, near(rows([self._told[row].point for row in best]), DRAWN, rng)])
        promised = outlook.promised(points, goals, weights)
        for _ in range(ROUNDS):
            top = np.argsort(-promised, kind="stable")[:KEPT]
            children = near(points[top], CHILDREN, rng)
            points = np.concatenate([points[top], children])
            promised = np.concatenate([promised[top], outlook.promised(children, goals, weights)])
        chosen: list[float] = points[np.argmax(promised)].tolist()
        return tuple(chosen)

    def _fitted(self) -> Fit:
        """Return the fit of the last length of the list at which there is one."""
        length = self._forgotten + len(self._told)
        step = min(1 << max(length // OFTEN, 1).bit_length() - 1, SELDOM)
        told = self._told[: len(self._told) - length % step][-FITTED:]
        known, fit = self._fit
        if fit is None or told != known:
            fit = Fit.to(told)
            self._fit = told, fit
        return fit

    def _known(self, front: Sequence[int]) -> Sequence[Told]:
        """Return what the processes know: the latest, and of those before the latest few on the front."""
        latest = max(0, len(self._told) - LATEST)
        before = [self._told[row] for row in front if row < latest]
        return [*before[-FRONT:], *self._told[latest:]]

    def _pending(self) -> Rows:
        """Return the latest few points in flight: `(p, d)`."""
        return np.reshape(list(dict.fromkeys(self._expected))[-PENDING:], (-1, self._problem.dimensions))


def near(points: Rows, count: int, rng: np.random.Generator) -> Rows:
    """Return points `(count, d)` near some of these, along about half of the axes, at random distances."""
    dimensions = points.shape[1]
    chosen = points[rng.integers(len(points), size=count)]
    along = rng.random((count, dimensions)) < 0.5
    along[np.arange(count), rng.integers(dimensions, size=count)] = True
    steps = 10 ** rng.uniform(CLOSEST, FARTHEST, (count, 1)) * rng.standard_normal((count, dimensions))
    return np.clip(chosen + along * steps, 0.0, 1.0)
