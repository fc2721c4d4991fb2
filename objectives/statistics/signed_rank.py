"""The centre of a symmetric distribution, and its interval by Wilcoxon's signed-rank test, valid from two values on.

Of two models timed in a round of random order, each is as likely to meet what slows a round down. So the logarithm of
their ratio scatters symmetrically around that of the true ratio, and the test is exact however few the rounds are.

Reference: Hodges & Lehmann 1963; Hollander, Wolfe & Chicken, Nonparametric Statistical Methods, 3rd ed., 3.1 to 3.3.
"""

from __future__ import annotations

from functools import cache
from math import ceil, log2
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

EXACT = 60  # values up to which the distribution is enumerated; then it is a normal one to three digits


class Centre(NamedTuple):
    """The centre, the ends of its interval, and the level that the interval truly has."""

    value: float
    lower: float
    upper: float
    level: float


def signed_rank_centre(values: ArrayLike, level: float) -> Centre:
    """Return the median of the means of all pairs of `(n,)` values, n >= 2, with its interval.

    The interval is at `level`, or the widest that there is, below it, where n is too small for that.
    """
    ordered = np.asarray(values, dtype=float)
    n = len(ordered)
    means = np.sort(np.add.outer(ordered, ordered)[np.triu_indices(n)]) / 2
    rank = max(_rank(n, level), 1)
    truly = 1 - 2 * _below(n, rank)
    lower, upper = means[rank - 1], means[len(means) - rank]
    return Centre(float(np.median(means)), float(lower), float(upper), min(level, truly))


def fewest_values(level: float) -> int:
    """Return how many values an interval of this level takes at least: of n values the widest has 1 - 2^(1 - n)."""
    return max(2, 1 + ceil(-log2(1 - level) - 1e-9))


@cache
def _rank(n: int, level: float) -> int:
    """Return the largest r for which a statistic below r has a chance of at most (1 - level) / 2; 0 where none has."""
    if n <= EXACT:
        return int(np.searchsorted(_distribution(n), (1 - level) / 2 * (1 + 1e-12), side="right"))
    return int(n * (n + 1) / 4 + 0.5 + ndtri((1 - level) / 2) * _deviation(n))


@cache
def _below(n: int, rank: int) -> float:
    if n <= EXACT:
        return float(_distribution(n)[rank - 1])
    return float(ndtr((rank - 0.5 - n * (n + 1) / 4) / _deviation(n)))


def _deviation(n: int) -> float:
    return float((n * (n + 1) * (2 * n + 1) / 24) ** 0.5)


@cache
def _distribution(n: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return P(statistic <= s) for every s: each rank belongs to a positive value by a fair coin."""
    chances = np.ones(1)
    for rank in range(1, n + 1):
        longer = np.zeros(len(chances) + rank)
        longer[: len(chances)] += chances / 2
        longer[rank:] += chances / 2
        chances = longer
    return np.cumsum(chances)
