"""The tree-structured Parzen estimator: points like the best of what was told, and unlike the rest.

It proposes what Optuna's sampler proposes with `multivariate=True`, which looks at every trial anew, one by one, and so
takes thirty times as long among a thousand. Nothing lives on between two asks but chance's seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from optuna._hypervolume.hssp import _solve_hssp

from optimizer.samplers.parzen import Parzen
from optimizer.samplers.protocol import Point, Told
from optimizer.samplers.ranks import ranks_of
from optimizer.samplers.replay import ReplaySampler
from optimizer.samplers.rows import rows

STARTUP = 10  # candidates that are told before it learns from them
BEST = 0.1  # of what was told
DRAWN = 24  # points, of which the likeliest is proposed
LEAST = 1e-12  # of a reference point, in place of 0


class TpeSampler(ReplaySampler):
    """Tree-structured Parzen estimator, multi-objective and constrained (Watanabe 2023, arXiv:2304.11127).

    Multivariate, since the coordinates of the distribution space act together: over ten seeds of the tests' synthetic
    study it reaches a hypervolume of 0.161 after 100 candidates, coordinate by coordinate 0.155, random search 0.099.
    What is in flight counts as bad (constant liar).
    """

    def ask(self, number: int, attempt: int = 0) -> Point:
        """Return the point that is likeliest to be good, of some that are drawn from where good ones are."""
        if len(self._told) < STARTUP:
            return self._problem.uniform(number, attempt)
        points = rows([told.point for told in self._told])
        is_best = best(self._told, math.ceil(BEST * len(points)))
        others = [points[~is_best], np.reshape(self._expected, (-1, self._problem.dimensions))]
        good, bad = Parzen(points[is_best]), Parzen(np.concatenate(others), fades=True)
        rng = np.random.RandomState(self._problem.seed_of(number, attempt))
        drawn = good.drawn(rng, DRAWN)
        chosen: list[float] = drawn[np.argmax(good.log_density(drawn) - bad.log_density(drawn))].tolist()
        return tuple(chosen)


def best(told: Sequence[Told], count: int) -> NDArray[np.bool_]:
    """Return which of `(n,)` are the best: feasible ones first, by rank, of the rank that is not whole a part.

    The part is the one that covers most, found greedily (Ozaki et al. 2022, https://doi.org/10.1613/jair.1.13188).
    Infeasible ones follow by the sum of their violations (Watanabe and Hutter 2023, arXiv:2211.14411).
    """
    losses, ranks = ranks_of(told)
    last = np.sort(ranks)[count - 1]
    chosen: NDArray[np.bool_] = ranks < last
    tied, missing = np.flatnonzero(ranks == last), count - int(chosen.sum())
    chosen[_covering(tied, losses, missing) if told[tied[0]].is_feasible else tied[:missing]] = True
    return chosen


def _covering(tied: NDArray[np.intp], losses: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Return so many of these rows of `(n, m)`: those that cover most of what all of them cover together."""
    worst = losses[tied].max(axis=0)
    reference = np.maximum(1.1 * worst, 0.9 * worst)
    reference[reference == 0] = LEAST
    covering: NDArray[np.intp] = _solve_hssp(losses[tied], tied, count, reference)
    return covering
