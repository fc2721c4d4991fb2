"""A metric: one number, higher is better, from predictions and labels as arrays.

Every metric is written for *weighted* examples: a bootstrap resample is then a row of counts, a left-out example a
count less, and thousands of them are evaluated together without a loop over resamples.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # labels and predictions come as integers or floats of any width
FloatArray = NDArray[np.float64]
Score = Callable[[Array, Array], FloatArray]
Weighted = Callable[[Array, Array, FloatArray], FloatArray]


class Kind(StrEnum):
    """What is predicted, in the words of the tasks."""

    CLASSIFICATION = "classification"  # predictions and labels are label ids
    REGRESSION = "regression"  # predictions and labels are floats
    LABELS = "multi-label classification"  # predictions and labels are 0 or 1, one column per label
    TAGS = "token classification"  # predictions and labels are tag ids of words, one row per sentence
    ANSWERS = "question answering"  # predictions are texts, labels tuples of the texts that are right
    SIMILARITY = "similarity"  # predictions are cosines of pairs of embeddings, labels are floats
    RERANKING = "reranking"  # predictions and labels are relevances by rank, one row per query
    RETRIEVAL = "retrieval"  # as above, by the cosines of embeddings


class NotFiniteError(ValueError):
    """The metric of some predictions is NaN or infinite."""


_OF_ROWS = (Kind.LABELS, Kind.TAGS, Kind.RERANKING, Kind.RETRIEVAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric of predictions `(n, …)` against labels of the same shape; higher is better.

    `weighted` maps (predictions, labels, weights `(r, n)`) to values `(r,)`. `score` maps (predictions, labels) to the
    per-example scores `(n,)` whose mean is the metric, None where the metric is not such a mean. They are 0 or 1, and
    the metric can be raced and certified, unless `is_graded`. Scores that are a share, in [0, 1], can be certified.
    `resamples` are those of a bootstrap.
    """

    name: str
    kind: Kind
    weighted: Weighted
    score: Score | None = None
    is_graded: bool = False
    is_share: bool = False
    resamples: int = 2000

    @property
    def is_mean(self) -> bool:
        """Whether the metric is the mean of per-example scores."""
        return self.score is not None

    @property
    def is_count(self) -> bool:
        """Whether the metric counts the examples that are right."""
        return self.is_mean and not self.is_graded

    def value(self, predictions: Array, labels: Array) -> float:
        """Return the metric. Raises `ValueError` where it is no finite number, and for no examples or other lengths."""
        self._check(predictions, labels)
        value = float(self.weighted(predictions, labels, np.ones((1, len(labels))))[0])
        if not math.isfinite(value):
            raise NotFiniteError(f"{self.name} is {value} on these {len(labels)} predictions")
        return value

    def values(self, predictions: Array, labels: Array, weights: FloatArray) -> FloatArray:
        """Return the metric `(r,)` under each row of weights `(r, n)`, the counts of the examples, above 0 in sum.

        A caller's own metric may be NaN on some rows.
        """
        self._check(predictions, labels)
        return self.weighted(predictions, labels, weights)

    def best_constant(self, answers: Array, labels: Array) -> float:
        """Return the best value of one of the answers `(k, …)`, given to all examples; 0 where none has a value."""
        found = []
        for answer in answers:
            with suppress(ValueError):  # a correlation with a constant may be NaN
                found.append(self.value(np.full_like(labels, answer), labels))
        return max(found, default=0.0)

    def per_example(self, predictions: Array, labels: Array) -> FloatArray | None:
        """Return the scores `(n,)`, 0 or 1, whose mean is the metric, or None where the metric is not such a mean."""
        self._check(predictions, labels)
        return None if self.score is None or self.is_graded else self.score(predictions, labels)

    def _check(self, predictions: Array, labels: Array) -> None:
        columns = 2 if self.kind in _OF_ROWS else 1
        if predictions.shape != labels.shape or labels.ndim != columns or not len(labels):
            shape = "(n, k)" if columns > 1 else "(n,)"
            raise ValueError(
                f"{self.name}: predictions and labels must be `{shape}` with n >= 1, "
                f"got {predictions.shape} and {labels.shape}"
            )


def mean_of(score: Score) -> Weighted:
    """Return the mean of per-example scores as a function of weighted examples."""
    return lambda predictions, labels, weights: np.asarray(weights @ score(predictions, labels) / weights.sum(axis=1))


def share_metric(name: str, kind: Kind, score: Score) -> Metric:
    """Return the mean of per-example scores in [0, 1] as a metric."""
    return Metric(name=name, kind=kind, weighted=mean_of(score), score=score, is_graded=True, is_share=True)
