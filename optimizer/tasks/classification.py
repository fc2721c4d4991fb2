"""Classification: one class per example, for texts and images alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from objectives.divergence import kl_divergence
from objectives.metrics import METRICS, Metric
from optimizer.tasks.contrasts import class_contrasts
from optimizer.tasks.task import Batch, Labelled, Reduction


@dataclass(frozen=True, slots=True)
class Classification:
    """`Task` of one class per example: outputs `(batch, classes)`, labels and predictions are class ids `(n,)`."""

    divergence_unit: ClassVar[str] = "nat"
    metric: Metric = METRICS["accuracy"]

    def loss(self, outputs: Tensor, batch: Batch, *, reduction: Reduction) -> Tensor:
        """Return the cross-entropy."""
        return F.cross_entropy(outputs, batch["labels"], reduction=reduction)

    def distance(self, outputs: Tensor, wanted: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002 - all examples count
        """Return the divergence from the teacher's classes (Hinton et al. 2015, at temperature 1)."""
        return F.kl_div(outputs.log_softmax(dim=1), wanted.log_softmax(dim=1), log_target=True, reduction="batchmean")

    def contrasts(self, outputs: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002
        """Return orthonormal contrasts of the logits: `(batch, classes - 1)`."""
        return class_contrasts(outputs)

    def answers(self, outputs: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002
        """Return the logits: `(batch, classes)`."""
        return outputs

    def predictions(self, answers: NDArray[np.float32], examples: Labelled) -> NDArray[Any]:  # noqa: ARG002
        """Return the likeliest classes: `(n,)`."""
        return np.asarray(answers.argmax(axis=1))

    def divergence(self, dense: NDArray[np.float32], answers: NDArray[np.float32]) -> float:
        """Return the mean Kullback-Leibler divergence of the classes, in nats."""
        return kl_divergence(dense, answers)

    def trivial(self, labels: NDArray[Any]) -> float:
        """Return the metric of the best class."""
        return self.metric.best_constant(np.unique(labels), labels)
