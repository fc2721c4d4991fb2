"""Labelling: the task of several labels per text, each told by its own output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from objectives.divergence import labels_divergence
from objectives.metrics import Metric
from optimizer.tasks.task import Batch, Labelled, Reduction


@dataclass(frozen=True, slots=True)
class Labelling:
    """`Task` of several labels per text: outputs `(batch, labels)`, labels and predictions `(n, labels)`, 0 or 1."""

    divergence_unit: ClassVar[str] = "nat"
    metric: Metric
    names: tuple[str, ...] = ()  # of the labels, by id

    def loss(self, outputs: Tensor, batch: Batch, *, reduction: Reduction) -> Tensor:
        """Return the binary cross-entropy of the labels."""
        return F.binary_cross_entropy_with_logits(outputs, batch["labels"].to(outputs.dtype), reduction=reduction)

    def distance(self, outputs: Tensor, wanted: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002 - all examples count
        """Return the binary cross-entropy of the teacher's labels."""
        return F.binary_cross_entropy_with_logits(outputs, wanted.sigmoid())

    def contrasts(self, outputs: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002
        """Return the logits, all of which count: `(batch, labels)`."""
        return outputs

    def answers(self, outputs: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002
        """Return the logits: `(batch, labels)`."""
        return outputs

    def predictions(self, answers: NDArray[np.float32], examples: Labelled) -> NDArray[Any]:  # noqa: ARG002
        """Return the labels that are likelier than not: `(n, labels)`."""
        return np.asarray(answers > 0, dtype=np.int64)

    def divergence(self, dense: NDArray[np.float32], answers: NDArray[np.float32]) -> float:
        """Return the mean over texts of the Kullback-Leibler divergences of all labels, in nats."""
        return labels_divergence(dense, answers)

    def trivial(self, labels: NDArray[Any]) -> float:
        """Return the metric of the best set of labels for all texts, among the likely ones."""
        return self.metric.best_constant(np.array([*_constants(labels)]), labels)


def _constants(labels: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield rows to give to all texts: the most frequent labels, from none to all, and the most frequent row."""
    frequent = np.argsort(-labels.sum(axis=0), kind="stable")
    for count in range(labels.shape[1] + 1):
        row = np.zeros(labels.shape[1], dtype=labels.dtype)
        row[frequent[:count]] = 1
        yield row
    rows, counts = np.unique(labels, axis=0, return_counts=True)
    yield rows[counts.argmax()]
