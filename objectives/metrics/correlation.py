"""Metrics of floats: Pearson's and Spearman's correlation; 0 where one side is constant and none is defined."""

from __future__ import annotations

import numpy as np

from objectives.metrics.metric import Array, FloatArray

# A variance this far below its largest possible value is the rounding of a constant.
_ROUNDING = 1e-24


def pearson(predictions: Array, labels: Array, weights: FloatArray) -> FloatArray:
    """Return Pearson's correlation, `(r,)`."""
    return _correlation(_as_row(predictions), _as_row(labels), weights)


def spearman(predictions: Array, labels: Array, weights: FloatArray) -> FloatArray:
    """Return Spearman's correlation, `(r,)`: Pearson's of the ranks, ties sharing their mean rank."""
    return _correlation(_ranks(predictions, weights), _ranks(labels, weights), weights)


def _as_row(values: Array) -> FloatArray:
    """Return `(1, n)` floats shifted so that a constant is exactly 0, which a mean subtracted at once does not give."""
    floats = values.astype(np.float64)[None, :]
    return np.asarray(floats - floats[:, :1])


def _ranks(values: Array, weights: FloatArray) -> FloatArray:
    """Return the mean ranks `(r, n)` of `values` `(n,)` when each occurs as often as its weight in that row."""
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    sizes = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks = np.cumsum(sizes, axis=1) - (sizes - 1) / 2
    return np.asarray(ranks[:, group])


def _correlation(x: FloatArray, y: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the weighted correlation `(r,)` of `x` and `y`, each `(1, n)` or `(r, n)`."""
    x, y = _centred(x, weights), _centred(y, weights)
    covariance = (weights * x * y).sum(axis=1)
    spread = np.sqrt(_variance(x, weights)) * np.sqrt(_variance(y, weights))
    ratio = np.divide(covariance, spread, out=np.zeros_like(covariance), where=spread > 0)
    return np.asarray(np.clip(ratio, -1.0, 1.0))


def _centred(x: FloatArray, weights: FloatArray) -> FloatArray:
    mean = (weights * x).sum(axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True)
    return np.asarray(x - mean)


def _variance(x: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the weighted sum of squares `(r,)` of centred `x`, 0 where it is only the rounding of a constant."""
    squares = (weights * x**2).sum(axis=1)
    largest = weights.sum(axis=1) * np.max(x**2, axis=1)
    return np.asarray(np.where(squares > _ROUNDING * largest, squares, 0.0))
