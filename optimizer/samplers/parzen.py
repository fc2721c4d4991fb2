"""A Parzen estimator over the unit cube: a normal kernel, truncated to the cube, around each point, and a wide one."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr, ndtri

from optimizer.samplers.rows import Rows

LATEST = 25  # points that count in full where older ones fade
NARROWEST = 0.01  # bandwidth beside many points


class Parzen:
    """The mixture of kernels around points `(n, d)`, as wide on each axis as the farther of two neighbours is away.

    With `fades` a point counts less, the longer ago it was told. The wide kernel counts as one point
    (Watanabe 2023, arXiv:2304.11127, as in Optuna).
    """

    def __init__(self, points: Rows, *, fades: bool = False) -> None:
        count, dimensions = points.shape
        weights = np.append(_fading(count) if fades else np.ones(count), 1.0)
        self._weights = weights / weights.sum()
        self._centers = np.vstack([points, np.full(dimensions, 0.5)])
        self._widths = np.vstack([_bandwidths(points), np.ones(dimensions)])
        self._below = ndtr(-self._centers / self._widths)
        self._within = ndtr((1 - self._centers) / self._widths) - self._below

    def drawn(self, rng: np.random.RandomState, count: int) -> Rows:
        """Return points `(count, d)`; chance turns to the axes as their names are sorted, the tenth after the first."""
        kernels = rng.choice(len(self._weights), p=self._weights, size=count)
        shares = np.empty((count, self._centers.shape[1]))
        for axis in sorted(range(shares.shape[1]), key=str):
            shares[:, axis] = rng.uniform(size=count)
        steps = ndtri(self._below[kernels] + shares * self._within[kernels])
        return np.clip(self._centers[kernels] + steps * self._widths[kernels], 0.0, 1.0)

    def log_density(self, points: Rows) -> Rows:
        """Return the logarithm of the density at points `(k, d)`: `(k,)`."""
        tight = self._widths**-2
        apart = points**2 @ tight.T  # from here on in its place: so many fresh matrices take as long as the arithmetic
        apart -= 2 * points @ (tight * self._centers).T
        apart += (tight * self._centers**2).sum(axis=1)
        apart += points.shape[1] * math.log(2 * math.pi)
        apart /= 2
        heights = np.log(self._weights) - np.log(self._within * self._widths).sum(axis=1)
        kernels = np.subtract(heights, apart, out=apart)
        highest = kernels.max(axis=1)
        kernels -= highest[:, None]
        summed: Rows = highest + np.log(np.exp(kernels, out=kernels).sum(axis=1))
        return summed


def _fading(count: int) -> Rows:
    """Return the weights of points, the oldest first: `(count,)`."""
    if count < LATEST:
        return np.ones(count)
    return np.concatenate([np.linspace(1.0 / count, 1.0, num=count - LATEST), np.ones(LATEST)])


def _bandwidths(points: Rows) -> Rows:
    """Return how wide the kernels of points `(n, d)` are: `(n, d)`. The bounds are neighbours of a single point."""
    order = np.argsort(points, axis=0)
    bounded = np.pad(np.take_along_axis(points, order, axis=0), ((1, 1), (0, 0)), constant_values=((0.0, 1.0), (0, 0)))
    gaps = np.diff(bounded, axis=0)
    in_order = np.maximum(gaps[:-1], gaps[1:])
    if len(points) > 1:
        in_order[0], in_order[-1] = gaps[1], gaps[-2]
    widths = np.empty_like(points)
    np.put_along_axis(widths, order, in_order, axis=0)
    return np.clip(widths, max(NARROWEST, 1 / (len(points) + 2)), 1.0)
