"""Gaussian processes: what is to be expected at points of the unit cube, and how uncertain it is.

Matérn kernels of smoothness 5/2 with a width for each axis (Rasmussen and Williams 2006, chapters 2 and 5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri, dtrtrs
from scipy.optimize import minimize

from optimizer.samplers.rows import Rows

WIDTH, NOISE = 0.25, 3e-4  # of one axis, and as a share of the variance: what is likely before anything was seen
SPREADS = (1.0, 3.0)  # of the logarithms of both around that
NARROWEST, WIDEST, LEAST_NOISE = 0.01, 100.0, 1e-6
OPTIONS: Any = {"maxiter": 50, "ftol": 1e-4, "gtol": 1e-2}  # of a fit; Any: each method has its own
LEAST_VARIANCE = 1e-9  # as a share, of which rounding leaves none


@dataclass(frozen=True)
class Kernel:
    """How alike two points are: `widths` `(d,)` of the axes, and the `noise` as a share of the variance."""

    widths: Rows
    noise: float

    def between(self, some: Rows, others: Rows) -> Rows:
        """Return the correlation of points `(n, d)` and `(k, d)`, without noise: `(n, k)`."""
        apart = _apart(some / self.widths, others / self.widths)
        return _matern(apart, np.exp(-apart))

    def among(self, points: Rows) -> Rows:
        """Return the correlation of points `(n, d)` with each other, and the noise: `(n, n)`."""
        between = self.between(points, points)
        np.fill_diagonal(between, 1 + self.noise)
        return between


def fitted(points: Rows, values: Rows) -> Kernel:
    """Return the likeliest kernel for `values` `(n,)` of mean 0 at `points` `(n, d)`; values all 0 say nothing."""
    dimensions = points.shape[1]
    likely = np.log(np.append(np.full(dimensions, WIDTH * math.sqrt(dimensions)), NOISE))
    spreads = np.append(np.full(dimensions, SPREADS[0]), SPREADS[1])

    def unlikely(logarithms: Rows) -> tuple[float, Rows]:
        away = (logarithms - likely) / spreads
        value, gradient = _misfit(points, values, logarithms)
        return value + float(away @ away) / 2, gradient + away / spreads

    bounds = [(math.log(NARROWEST), math.log(WIDEST))] * dimensions + [(math.log(LEAST_NOISE), 0.0)]
    found = likely
    if values.any():
        found = minimize(unlikely, likely, jac=True, method="L-BFGS-B", bounds=bounds, options=OPTIONS).x
    return Kernel(np.exp(found[:-1]), math.exp(found[-1]))


def _misfit(points: Rows, values: Rows, logarithms: Rows) -> tuple[float, Rows]:
    """Return minus the logarithm of the likelihood at the likeliest variance, but for a constant, and its gradient."""
    count, scaled, noise = len(points), points / np.exp(logarithms[:-1]), math.exp(logarithms[-1])
    apart = _apart(scaled, scaled)
    np.fill_diagonal(apart, 0.0)
    falling = np.exp(-apart)
    factor, _ = dpotrf(_matern(apart, falling) + noise * np.eye(count), lower=1)
    half = np.tril(dpotri(factor, lower=1)[0])
    inverse = half + np.tril(half, -1).T
    solved = inverse @ values
    square = float(values @ solved)
    pull = inverse - np.outer(solved, solved) * (count / square)
    weights = pull * falling * (1 + apart) * (5 / 3)  # of the squares of scaled distances along each axis
    along = weights.sum(axis=1) @ scaled**2 - (scaled * (weights @ scaled)).sum(axis=0)
    value = count / 2 * math.log(square) + float(np.log(factor.diagonal()).sum())
    return value, np.append(along, noise * np.trace(pull) / 2)


class Process:
    """A Gaussian process that has seen `values` `(n,)` of mean 0 at `points` `(n, d)`.

    Of `pending` points `(p, d)` it knows where they are: it expects nothing else for them, and is less uncertain there
    (kriging believer, Ginsbourger et al. 2010, https://doi.org/10.1007/978-3-642-10701-6_6).
    """

    def __init__(self, kernel: Kernel, points: Rows, values: Rows, pending: Rows) -> None:
        self._kernel, self._points = kernel, np.concatenate([points, pending])
        self._factor = dpotrf(kernel.among(self._points), lower=1)[0]
        seen = len(points)
        self._solved = dtrtrs(self._factor[:seen, :seen], values, lower=1)[0]
        self._variance = float(self._solved @ self._solved) / seen or 1.0

    def __call__(self, points: Rows) -> tuple[Rows, Rows]:
        """Return mean and standard deviation at points `(k, d)`, without noise: `(k,)`, `(k,)`."""
        between = self._kernel.between(points, self._points)
        explained = dtrtrs(self._factor, between.T, lower=1, overwrite_b=1)[0].T
        left = np.maximum(1 - np.einsum("ij,ij->i", explained, explained), LEAST_VARIANCE)
        return explained[:, : len(self._solved)] @ self._solved, np.sqrt(self._variance * left)


def _apart(some: Rows, others: Rows) -> Rows:
    """Return the distances of scaled points `(n, d)` and `(k, d)`, in the unit of the kernel: `(n, k)`."""
    squares = (some**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * some @ others.T
    apart: Rows = np.sqrt(5 * np.maximum(squares, 0.0))
    return apart


def _matern(apart: Rows, falling: Rows) -> Rows:
    return (1 + apart + apart**2 / 3) * falling
