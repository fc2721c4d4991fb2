"""Regression: one number per example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from objectives.divergence import squared_divergence
from objectives.metrics import METRICS, Metric
from optimizer.tasks.task import Batch, Labelled, Reduction


@dataclass(frozen=True, slots=True)
class Regression:
    """`Task` of one number per example: outputs `(batch, 1)`, labels and predictions are floats `(n,)`."""

    divergence_unit: ClassVar[str] = "1"
    metric: Metric = METRICS["pearson"]

    def loss(self, outputs: Tensor, batch: Batch, *, reduction: Reduction) -> Tensor:
        """Return the squared error."""
        return F.mse_loss(outputs[:, 0], batch["labels"].to(outputs.dtype), reduction=reduction)

    def distance(self, outputs: Tensor, wanted: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002 - all examples count
        """Return the mean squared difference from the teacher's numbers."""
        return F.mse_loss(outputs, wanted)

    def contrasts(self, outputs: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002
        """Return the number itself: `(batch, 1)`."""
        return outputs

    def answers(self, outputs: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002
        """Return the number: `(batch, 1)`."""
        return outputs

    def predictions(self, answers: NDArray[np.float32], examples: Labelled) -> NDArray[Any]:  # noqa: ARG002
        """Return the numbers: `(n,)`."""
        return answers[:, 0]

    def divergence(self, dense: NDArray[np.float32], answers: NDArray[np.float32]) -> float:
        """Return the mean squared difference, relative to the variance of the dense answers."""
        return squared_divergence(dense, answers)

    def trivial(self, labels: NDArray[Any]) -> float:
        """Return the metric of the mean or the median for all, 0 for a correlation."""
        return self.metric.best_constant(np.array([np.mean(labels), np.median(labels)]), labels)
