"""Metric: any function of predictions and labels becomes a metric of the project."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

import numpy as np

from objectives.metrics import Kind, Metric
from objectives.metrics.entities import ABSENT
from objectives.metrics.metric import Array, FloatArray, mean_of
from optimizer.errors import InputError, a_kind
from optimizer.own import own_name

Function = Callable[[Array, Array], Any]  # Any: one number, or one per example
RESAMPLES = 400  # a function of scikit-learn takes about a millisecond
CLASSES = np.array([0, 1, 1, 0])
NUMBERS = np.array([0.0, 0.5, 1.0, 0.25])
LABELS = np.array([[0, 1], [1, 1], [1, 0], [0, 0]])
TAGS = np.array([[0, 1], [1, ABSENT], [0, 0], [1, 1]])
RELEVANCES = np.array([[1.0, 0.0], [2.0, 1.0], [1.0, 0.0], [0.5, 0.0]])
TEXTS = np.array(["Rome", "1912", "a dog", ""], dtype=object)
ANSWERS = np.fromiter((("Rome",), ("1912", "in 1912"), ("a cat",), ()), dtype=object)
PROBES: Mapping[Kind, tuple[Array, Array]] = {  # predictions and labels
    Kind.CLASSIFICATION: (CLASSES, CLASSES),
    Kind.REGRESSION: (NUMBERS, NUMBERS),
    Kind.LABELS: (LABELS, LABELS),
    Kind.TAGS: (TAGS, TAGS),
    Kind.ANSWERS: (TEXTS, ANSWERS),
    Kind.SIMILARITY: (NUMBERS, NUMBERS),
    Kind.RERANKING: (RELEVANCES, RELEVANCES),
    Kind.RETRIEVAL: (RELEVANCES, RELEVANCES),
}


def own_metric(function: Function, kind: Kind) -> Metric:
    """Return the metric of a function of predictions and labels, arrays of the same shape; higher is better.

    One whose first parameter is `y_true`, as scikit-learn's, is given the labels first. Both are label ids `(n,)`;
    floats `(n,)` of a regression; 0 or 1 `(n, labels)` of a multi-label classifier; tag ids `(n, words)` of a token
    classifier, -100 where the sentence has no word; cosines and scores `(n,)` of pairs of embeddings; relevances
    `(queries, k)` by rank, against those of the best ranking; texts `(n,)` and tuples of right texts `(n,)` of question
    answering, "" and () for "no answer". The function returns one number, or one per example `(n,)`, whose mean is the
    metric. Truth values per example (right or wrong) make it a metric that is raced and certified like accuracy. A
    function of one number is called twice per bootstrap resample, some thousand times per candidate. Raises
    `InputError` for a function that returns anything else on four examples.
    """
    name, function = own_name(function, "metric"), _in_our_order(function)
    answer = _probed(function, kind)
    if answer.ndim == 0:
        return Metric(name=name, kind=kind, weighted=_resampled(function), resamples=RESAMPLES)

    def score(predictions: Array, labels: Array) -> FloatArray:
        return np.asarray(function(predictions, labels), dtype=np.float64)

    is_graded = answer.dtype != np.bool_
    return Metric(name=name, kind=kind, weighted=mean_of(score), score=score, is_graded=is_graded)


def _in_our_order(function: Function) -> Function:
    """Return a function of (predictions, labels); scikit-learn's begin with `y_true`, the labels."""
    try:
        first = next(iter(signature(function).parameters), None)
    except (TypeError, ValueError):  # of a builtin, which has none
        return function
    return (lambda predictions, labels: function(labels, predictions)) if first == "y_true" else function


def _probed(function: Function, kind: Kind) -> Array:
    predictions, labels = PROBES[kind]
    try:
        given = function(predictions.copy(), labels.copy())
        answer = np.asarray(given)
    except Exception as error:  # a caller's function may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise InputError("metric", f"cannot be called with arrays (predictions, labels): {reason}") from error
    if answer.dtype == object:
        raise InputError("metric", f"must return one number, or one per example, got {a_kind(given)}")
    if answer.shape not in ((), labels.shape[:1]) or answer.dtype.kind not in "biuf":
        raise InputError(
            "metric",
            f"must return one number, or one per example, got {answer.dtype} of shape {answer.shape} for 4 examples "
            f"of shape {labels.shape}",
        )
    return answer


def _resampled(function: Function) -> Callable[[Array, Array, FloatArray], FloatArray]:
    """Return the function of weighted examples, which repeats each example as often as its weight."""

    def weighted(predictions: Array, labels: Array, weights: FloatArray) -> FloatArray:
        places = (np.repeat(np.arange(len(labels)), row.astype(np.intp)) for row in weights)
        return np.array([float(function(predictions[some], labels[some])) for some in places])

    return weighted
