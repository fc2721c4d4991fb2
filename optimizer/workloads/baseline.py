"""The baseline: a dense model that is no better than guessing is refused; pruning it would teach nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectives.metrics import METRICS, Kind, Metric
from optimizer.errors import InputError
from optimizer.workloads.labels import check_permutation


def check_baseline(
    predictions: NDArray[Any], labels: NDArray[Any], metric: Metric, names: Mapping[int, str] | None
) -> None:
    """Raise `InputError` for a model no better than the majority class, or for regression than a constant.

    `predictions` and `labels`: `(n,)` of the dense model on the search examples; `names` are the model's label names,
    None where its head was trained here, on these very labels.
    """
    if metric.kind is Kind.REGRESSION:
        error, constant = float(np.mean((predictions - labels) ** 2)), float(np.var(labels))
        value = metric.value(predictions, labels)
        if value <= 0:
            raise InputError(
                "--model",
                _refusal(f"{metric.name} {value:.3f}", f"a constant (error {constant:.3g}, its own {error:.3g})"),
            )
        return
    if names is not None:
        check_permutation(predictions, labels, names)
    accuracy = METRICS["accuracy"].value(predictions, labels)
    majority = float(np.unique(labels, return_counts=True)[1].max()) / len(labels)
    if accuracy <= majority:
        raise InputError("--model", _refusal(f"accuracy {accuracy:.3f}", f"always the same answer ({majority:.3f})"))


def _refusal(got: str, guess: str) -> str:
    return (
        f"the dense model is no better than {guess}: {got}. Was it trained for this task, do the labels fit? "
        "--allow-untrained goes on all the same"
    )
