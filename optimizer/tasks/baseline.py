"""The baseline: a dense model that is no better than guessing is refused; pruning it would teach nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectives.metrics import Kind, Metric
from optimizer.errors import InputError
from optimizer.tasks.texts.labels import check_permutation


def check_baseline(
    predictions: NDArray[Any], labels: NDArray[Any], metric: Metric, names: Mapping[int, str] | None
) -> None:
    """Raise `InputError` for a model no better, by the study's metric, than the best constant answer.

    `predictions` and `labels`: `(n,)` of the dense model on the search examples; `names` are the model's label names,
    None where its head was trained here, on these very labels.
    """
    if metric.kind is Kind.CLASSIFICATION and names is not None:
        check_permutation(predictions, labels, names)
    value, trivial = metric.value(predictions, labels), trivial_value(labels, metric)
    if not value > trivial:
        raise InputError(
            "--model",
            f"the dense model is no better than always giving the same answer ({trivial:.3f}): {metric.name} "
            f"{value:.3f}. Check that it was trained for this task and that the labels fit, or use --allow-untrained "
            "to continue anyway",
        )


def check_labels(labels: NDArray[Any], metric: Metric, role: str) -> None:
    """Raise `InputError` for labels `(n,)` on which no answers are better than one answer to all, by the metric.

    Accuracy distinguishes answers on any labels.
    """
    if not metric.is_mean and not metric.value(labels, labels) > trivial_value(labels, metric):
        raise InputError(
            "--metric",
            f"{metric.name} cannot be computed on the {len(labels)} {role} examples, whose labels are all the same; "
            "give more examples, or choose accuracy",
        )


def trivial_value(labels: NDArray[Any], metric: Metric) -> float:
    """Return the best metric that one answer to all examples reaches; a correlation with a constant counts as 0."""
    if metric.kind is Kind.REGRESSION:
        return 0.0
    return max(metric.value(np.full_like(labels, answer), labels) for answer in np.unique(labels))
