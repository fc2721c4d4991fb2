"""The baseline: a dense model that is no better than guessing is refused; pruning it would teach nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectives.metrics import Kind
from optimizer.errors import InputError
from optimizer.tasks.task import Task
from optimizer.tasks.texts.labels import check_permutation


def check_baseline(
    task: Task, predictions: NDArray[Any], labels: NDArray[Any], names: Mapping[int, str] | None
) -> None:
    """Raise `InputError` for a model no better, by the study's metric, than the best constant answer.

    `predictions` and `labels`: `(n, …)` of the dense model on the search examples; `names` are the model's label names,
    None where its head was trained here, on these very labels.
    """
    if task.metric.kind is Kind.CLASSIFICATION and names is not None:
        check_permutation(predictions, labels, names)
    value, trivial = dense_value(task, predictions, labels), task.trivial(labels)
    if not value > trivial:
        raise InputError(
            "model",
            f"the dense model is no better than always giving the same answer ({trivial:.3f}): {task.metric.name} "
            f"{value:.3f}. Check that it was trained for this task and that the labels fit, or use `allow_untrained` "
            "to continue anyway",
        )


def dense_value(task: Task, predictions: NDArray[Any], labels: NDArray[Any]) -> float:
    """Return the metric of the dense model. Raises `InputError` where it is no finite number."""
    try:
        return task.metric.value(predictions, labels)
    except ValueError as error:
        raise InputError("metric", f"{error}; return a finite number for all predictions") from error


def check_labels(task: Task, labels: NDArray[Any], role: str) -> None:
    """Raise `InputError` for labels `(n, …)` on which no answers are better than one answer to all, by the metric.

    Accuracy distinguishes answers on any labels.
    """
    metric = task.metric
    other = ", or choose accuracy" if metric.kind is Kind.CLASSIFICATION else ""
    if not metric.is_mean and not dense_value(task, _right(labels), labels) > task.trivial(labels):
        raise InputError(
            "metric",
            f"{metric.name} cannot be computed on the {len(labels)} {role} examples, whose labels are all the same; "
            f"give more examples{other}",
        )


def _right(labels: NDArray[Any]) -> NDArray[Any]:
    """Return predictions that are right: the labels, or of several right texts the first."""
    if labels.dtype != object:
        return labels
    return np.fromiter((texts[0] if texts else "" for texts in labels), dtype=object, count=len(labels))
