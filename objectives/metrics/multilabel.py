"""Metrics of several labels per example: predictions and labels are 0 or 1, `(n, labels)`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from objectives.metrics.metric import Array, FloatArray, Kind, Metric, mean_of, share_metric


def all_right(predictions: Array, labels: Array) -> FloatArray:
    """Return 1.0 where every label is right, else 0.0, `(n,)`."""
    return np.asarray((predictions == labels).all(axis=1), dtype=np.float64)


def share_right(predictions: Array, labels: Array) -> FloatArray:
    """Return the share of right answers to "does this label apply?", `(n,)`: 1 minus the Hamming loss."""
    return np.asarray((predictions == labels).mean(axis=1))


def micro_f1(predictions: Array, labels: Array, weights: FloatArray) -> FloatArray:
    """Return F1 over all labels together, `(r,)`; 0 where none is predicted or true."""
    hits, both = _counts(predictions, labels, weights)
    total = both.sum(axis=1)
    return np.asarray(np.divide(2 * hits.sum(axis=1), total, out=np.zeros(len(total)), where=total > 0))


def macro_f1(predictions: Array, labels: Array, weights: FloatArray) -> FloatArray:
    """Return the mean F1 of the labels, `(r,)`. A label that is neither predicted nor true counts in no mean."""
    scores, is_defined = _by_label(predictions, labels, weights)
    count = is_defined.sum(axis=1)
    return np.asarray(np.divide(scores.sum(axis=1), count, out=np.zeros(len(count)), where=count > 0))


def worst_f1(predictions: Array, labels: Array, weights: FloatArray) -> FloatArray:
    """Return the lowest F1 of a label that is predicted or true, `(r,)`; 0 where none is."""
    scores, is_defined = _by_label(predictions, labels, weights)
    return np.asarray(np.where(is_defined.any(axis=1), np.where(is_defined, scores, np.inf).min(axis=1), 0.0))


def _by_label(predictions: Array, labels: Array, weights: FloatArray) -> tuple[FloatArray, Array]:
    """Return the F1 of every label, 0 where it is undefined, and where it is defined: both `(r, labels)`."""
    hits, both = _counts(predictions, labels, weights)
    return np.divide(2 * hits, both, out=np.zeros_like(both), where=both > 0), both > 0


def _counts(predictions: Array, labels: Array, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return how often a label was rightly predicted, and how often predicted plus how often true: `(r, labels)`."""
    predicted, actual = predictions.astype(np.float64), labels.astype(np.float64)
    return weights @ (predicted * actual), weights @ (predicted + actual)


MULTILABEL: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(name="micro-f1", kind=Kind.LABELS, weighted=micro_f1),
        Metric(name="macro-f1", kind=Kind.LABELS, weighted=macro_f1),
        Metric(name="worst-f1", kind=Kind.LABELS, weighted=worst_f1),
        share_metric("label-accuracy", Kind.LABELS, share_right),
        Metric(name="subset-accuracy", kind=Kind.LABELS, weighted=mean_of(all_right), score=all_right),
    )
}
