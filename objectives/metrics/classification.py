"""Metrics of label ids: accuracy, F1, Matthews; the last two from how often a class was right, predicted and true."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from objectives.metrics.metric import Array, FloatArray

_ROUNDING = 1e-13
POSITIVE = 1  # the class that binary F1 is about


def correct(predictions: Array, labels: Array) -> FloatArray:
    """Return 1.0 where the prediction is the label, else 0.0, `(n,)`."""
    return np.asarray(predictions == labels, dtype=np.float64)


def f1(predictions: Array, labels: Array, weights: FloatArray) -> FloatArray:
    """Return F1, `(r,)`: of label 1 where all ids are 0 or 1, else the mean over classes (macro).

    F1 = 2 TP / (predicted + actual). A class that is neither predicted nor actual counts in no mean; with no class
    left F1 is 0.
    """
    right, predicted, actual, classes = _count(predictions, labels, weights)
    if classes.max() > POSITIVE:
        return macro(predictions, labels, weights).f1
    return np.asarray(_divided(2 * right, predicted + actual)[:, classes == POSITIVE].sum(axis=1))


def weighted_f1(predictions: Array, labels: Array, weights: FloatArray) -> FloatArray:
    """Return the mean of the classes' F1, `(r,)`, each weighted by how many examples are of it."""
    right, predicted, actual, _ = _count(predictions, labels, weights)
    each = _divided(2 * right, predicted + actual)
    return _divided((each * actual).sum(axis=1), actual.sum(axis=1))


class Macro(NamedTuple):
    """Means over the classes, each `(r,)`."""

    precision: FloatArray
    recall: FloatArray
    f1: FloatArray


def macro(predictions: Array, labels: Array, weights: FloatArray) -> Macro:
    """Return precision, recall and F1, each the mean over all classes that are predicted or actual.

    A class that is never predicted has precision 0, one that is never actual recall 0.
    """
    right, predicted, actual, _ = _count(predictions, labels, weights)
    both = predicted + actual
    classes = (both > 0).sum(axis=1).astype(np.float64)
    each = (_divided(right, predicted), _divided(right, actual), _divided(2 * right, both))
    return Macro(*(_divided(scores.sum(axis=1), classes) for scores in each))


def matthews(predictions: Array, labels: Array, weights: FloatArray) -> FloatArray:
    """Return Matthews' correlation, `(r,)`, for any number of classes; 0 where one side is constant.

    Reference: Gorodkin 2004, https://doi.org/10.1016/j.compbiolchem.2004.09.006, in terms of class counts.
    """
    right, predicted, actual, _ = _count(predictions, labels, weights)
    total = weights.sum(axis=1)
    covariance = right.sum(axis=1) * total - (predicted * actual).sum(axis=1)
    return _divided(covariance, np.sqrt(_spread(predicted, total)) * np.sqrt(_spread(actual, total)))


def _spread(counts: FloatArray, total: FloatArray) -> FloatArray:
    """Return total² − Σ counts², `(r,)`: 0 where one class has all, but for rounding."""
    spread = total**2 - (counts**2).sum(axis=1)
    return np.asarray(np.where(spread > _ROUNDING * total**2, spread, 0.0))


class _Counts(NamedTuple):
    right: FloatArray  # `(r, k)`
    predicted: FloatArray  # `(r, k)`
    actual: FloatArray  # `(r, k)`
    classes: Array  # `(k,)` label ids


def _count(predictions: Array, labels: Array, weights: FloatArray) -> _Counts:
    classes = np.union1d(predictions, labels)
    is_predicted, is_actual = predictions[:, None] == classes, labels[:, None] == classes
    is_counted = np.concatenate([is_predicted & is_actual, is_predicted, is_actual], axis=1)
    right, predicted, actual = np.split(weights @ is_counted.astype(np.float64), 3, axis=1)
    return _Counts(right, predicted, actual, classes)


def _divided(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Return the quotient, 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
