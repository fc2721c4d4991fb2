"""The project's metrics as `evaluate.Metric` classes, for users of that library: they need no hub and no network.

The project itself calls the array functions. Importing `evaluate` takes seconds, so it happens in this module only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import datasets
import evaluate
import numpy as np

from objectives.metrics import METRICS, Kind, Metric

_COLUMN_TYPE = {Kind.CLASSIFICATION: "int64", Kind.REGRESSION: "float64"}


class ArrayMetric(evaluate.Metric):  # type: ignore[misc]  # evaluate is untyped
    """An `evaluate.Metric` over one of our metrics: `compute(predictions=…, references=…)` → {name: value}."""

    metric: ClassVar[Metric]

    def _info(self) -> evaluate.MetricInfo:
        column = datasets.Value(_COLUMN_TYPE[self.metric.kind])
        return evaluate.MetricInfo(
            description=f"{self.metric.name} of {self.metric.kind}; higher is better",
            citation="",
            features=datasets.Features({"predictions": column, "references": column}),
        )

    def _compute(self, *, predictions: Sequence[float], references: Sequence[float]) -> dict[str, float]:
        return {self.metric.name: self.metric.value(np.asarray(predictions), np.asarray(references))}


class Accuracy(ArrayMetric):
    """Accuracy."""

    metric = METRICS["accuracy"]


class F1(ArrayMetric):
    """F1 of label 1, or macro F1 with more than two classes."""

    metric = METRICS["f1"]


class Matthews(ArrayMetric):
    """Matthews' correlation."""

    metric = METRICS["matthews"]


class Pearson(ArrayMetric):
    """Pearson's correlation."""

    metric = METRICS["pearson"]


class Spearman(ArrayMetric):
    """Spearman's correlation."""

    metric = METRICS["spearman"]


HUB_METRICS: Mapping[str, type[ArrayMetric]] = {
    "accuracy": Accuracy,
    "f1": F1,
    "matthews": Matthews,
    "pearson": Pearson,
    "spearman": Spearman,
}
