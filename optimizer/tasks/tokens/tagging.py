"""Tagging: the task of one tag per word, told by the outputs at the word's first token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from objectives.divergence import kl_divergence
from objectives.metrics import Metric
from objectives.metrics.entities import ABSENT
from optimizer.tasks.contrasts import class_contrasts
from optimizer.tasks.task import Batch, Labelled, Reduction


@dataclass(frozen=True, slots=True)
class Tagging:
    """`Task` of one tag per word: outputs `(batch, tokens, tags)`, labels and predictions are tag ids `(n, words)`.

    A batch has `places` `(batch, words)`: each word's first token, -1 where there is none. A word that was cut off is
    predicted to have the tag `outside`.
    """

    divergence_unit: ClassVar[str] = "nat"
    metric: Metric
    outside: int

    def loss(self, outputs: Tensor, batch: Batch, *, reduction: Reduction) -> Tensor:
        """Return the cross-entropy of the tags, over all words that the model sees."""
        seen = batch["places"] >= 0
        return F.cross_entropy(_of_words(outputs, batch)[seen], batch["labels"][seen], reduction=reduction)

    def distance(self, outputs: Tensor, wanted: Tensor, batch: Batch) -> Tensor:
        """Return the mean divergence from the teacher's tags."""
        seen = batch["places"] >= 0
        found, wanted = (_of_words(each, batch)[seen].log_softmax(dim=1) for each in (outputs, wanted))
        return F.kl_div(found, wanted, log_target=True, reduction="batchmean")

    def contrasts(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return orthonormal contrasts of every word's logits: `(batch, words, tags - 1)`."""
        seen = batch["places"] >= 0
        return class_contrasts(_of_words(outputs, batch)) * seen[..., None]

    def answers(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return every word's logits: `(batch, words, tags)`, NaN where there is no token."""
        return _of_words(outputs, batch).masked_fill((batch["places"] < 0)[..., None], float("nan"))

    def predictions(self, answers: NDArray[np.float32], examples: Labelled) -> NDArray[Any]:
        """Return the likeliest tags: `(n, words)`, -100 where the sentence has no word."""
        likeliest = np.where(np.isnan(answers).any(axis=2), self.outside, answers.argmax(axis=2))
        return np.where(examples.labels == ABSENT, ABSENT, likeliest)

    def divergence(self, dense: NDArray[np.float32], answers: NDArray[np.float32]) -> float:
        """Return the mean Kullback-Leibler divergence of the words' tags, in nats."""
        seen = ~np.isnan(dense).any(axis=2)
        return kl_divergence(dense[seen], answers[seen])

    def trivial(self, labels: NDArray[Any]) -> float:
        """Return the metric of one tag for all words."""
        tags = np.unique(labels[labels != ABSENT])
        rows = np.where(labels == ABSENT, ABSENT, tags[:, None, None])
        return self.metric.best_constant(rows, labels)


def _of_words(outputs: Tensor, batch: Batch) -> Tensor:
    """Return the outputs at every word's first token: `(batch, words, tags)`."""
    places = batch["places"].clamp_min(0)[..., None].expand(-1, -1, outputs.shape[2])
    return outputs.gather(1, places)
