"""The baseline: a dense model that is no better than guessing is refused; pruning it would teach nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectives.metrics import Kind
from objectives.metrics.metric import NotFiniteError
from optimizer.errors import InputError
from optimizer.tasks.task import Task
from optimizer.tasks.texts.labels import check_permutation

TRAINED_ELSEWHERE = (
    "Check that it was trained for this task and that the labels fit, or use `allow_untrained` to continue anyway"
)
TRAINED_HERE = "It was trained here on the train split: give more training examples, or a model trained for this task"


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
            f"{value:.3f}. {TRAINED_HERE if names is None else TRAINED_ELSEWHERE}",
        )


def dense_value(task: Task, predictions: NDArray[Any], labels: NDArray[Any]) -> float:
    """Return the metric of the dense model. Raises `InputError` where it is no finite number."""
    try:
        return task.metric.value(predictions, labels)
    except NotFiniteError as error:
        raise InputError("metric", f"{error}; return a finite number for all predictions") from error
    except ValueError as error:  # of a caller's function
        raise InputError("metric", f"{task.metric.name} refuses the {len(labels)} predictions: {error}") from error


def check_labels(task: Task, labels: NDArray[Any], role: str) -> None:
    """Raise `InputError` for labels `(n, …)` on which no answers are better than one answer to all, by the metric.

    Accuracy distinguishes answers on any labels. A caller's own metric of classes may be lower for better answers.
    """
    metric, is_of_classes = task.metric, task.metric.kind is Kind.CLASSIFICATION
    if metric.is_mean and not is_of_classes:
        return
    right, trivial = dense_value(task, _right(labels), labels), task.trivial(labels)
    if is_of_classes and right < trivial:
        raise InputError(
            "metric",
            f"{metric.name} is {right:.3f} for right answers and {trivial:.3f} for one answer to all {role} examples; "
            "return a number that is higher for better predictions",
        )
    if not (metric.is_mean or right > trivial):
        other = ", or choose accuracy" if is_of_classes else ""
        raise InputError(
            "metric",
            f"{metric.name} cannot be computed on the {len(labels)} {role} examples: right answers are no better than "
            f"one answer to all; give more examples{other}",
        )


def _right(labels: NDArray[Any]) -> NDArray[Any]:
    """Return predictions that are right: the labels, or of several right texts the first."""
    if labels.dtype != object:
        return labels
    return np.fromiter((texts[0] if texts else "" for texts in labels), dtype=object, count=len(labels))
