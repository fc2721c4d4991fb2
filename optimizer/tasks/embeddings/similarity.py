"""Similarity: the task of embeddings whose cosines rank pairs of texts as people do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from objectives.divergence import cosine_divergence
from objectives.metrics import Kind, Metric
from objectives.metrics.correlation import pearson, spearman
from optimizer.tasks.task import Batch, Labelled, Reduction

if TYPE_CHECKING:
    from optimizer.tasks.embeddings.examples import PairExamples

COSINES: Mapping[str, Metric] = {
    "cosine-spearman": Metric(name="cosine-spearman", kind=Kind.SIMILARITY, weighted=spearman),
    "cosine-pearson": Metric(name="cosine-pearson", kind=Kind.SIMILARITY, weighted=pearson),
}


@dataclass(frozen=True, slots=True)
class Similarity:
    """`Task` of one vector per text: outputs `(batch, width)`; labels and predictions are numbers of pairs, `(n,)`."""

    divergence_unit: ClassVar[str] = "1"
    metric: Metric = COSINES["cosine-spearman"]

    def loss(self, outputs: Tensor, batch: Batch, *, reduction: Reduction) -> Tensor:
        """Return a random projection of the embeddings: its squared gradients are on average those of all of them."""
        generator = torch.Generator().manual_seed(0)
        signs = torch.randint(0, 2, outputs.shape, generator=generator).to(outputs) * 2 - 1
        projected = (self.contrasts(outputs, batch) * signs).sum(dim=1)
        return projected.sum() if reduction == "sum" else projected.mean()

    def distance(self, outputs: Tensor, wanted: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002
        """Return the mean of 1 minus the cosine between the embeddings and the teacher's."""
        return (1 - F.cosine_similarity(outputs, wanted, dim=1)).mean()

    def contrasts(self, outputs: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002
        """Return the embeddings' directions, as cosines ignore lengths: `(batch, width)`."""
        return F.normalize(outputs, dim=1)

    def answers(self, outputs: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002
        """Return the embeddings: `(batch, width)`."""
        return outputs

    def predictions(self, answers: NDArray[np.float32], examples: Labelled) -> NDArray[Any]:
        """Return the cosines of all pairs: `(n,)`."""
        first, second = (directions(answers)[places] for places in cast("PairExamples", examples).pairs.T)
        return np.asarray((first * second).sum(axis=1))

    def divergence(self, dense: NDArray[np.float32], answers: NDArray[np.float32]) -> float:
        """Return the mean of 1 minus the cosine between a text's embeddings."""
        return cosine_divergence(dense, answers)

    def trivial(self, labels: NDArray[Any]) -> float:  # noqa: ARG002 - the same for all
        """Return 0: a correlation with a constant."""
        return 0.0


def directions(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return embeddings `(n, width)` of length 1."""
    return np.asarray(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True).clip(min=1e-12))
