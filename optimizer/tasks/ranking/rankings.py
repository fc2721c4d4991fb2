"""Rankings: the tasks of rerankers, whose scores order a query's documents, and of embeddings, whose cosines do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from objectives.metrics import Metric
from objectives.metrics.ranking import ABSENT, DEPTH, RANKINGS, ranked
from optimizer.tasks.embeddings.similarity import Similarity, directions
from optimizer.tasks.regression import Regression
from optimizer.tasks.task import Batch, Labelled, Reduction

if TYPE_CHECKING:
    from optimizer.tasks.ranking.examples import RankedPairs, RankedTexts

ORDERS = 20  # random ones, for what guessing reaches


@dataclass(frozen=True, slots=True)
class Reranking(Regression):
    """`Task` of one score per pair: outputs `(batch, 1)`; labels and predictions are relevances by rank, `(n, k)`."""

    metric: Metric = RANKINGS["ndcg@10"]

    def loss(self, outputs: Tensor, batch: Batch, *, reduction: Reduction) -> Tensor:
        """Return the binary cross-entropy of relevances in [0, 1], as cross-encoders are trained."""
        return F.binary_cross_entropy_with_logits(outputs[:, 0], batch["labels"].to(outputs.dtype), reduction=reduction)

    def predictions(self, answers: NDArray[np.float32], examples: Labelled) -> NDArray[Any]:
        """Return the relevances by falling score: `(n, k)`."""
        pairs = cast("RankedPairs", examples)
        return ranked(pairs.by_query(answers[:, 0]), pairs.relevance)

    def trivial(self, labels: NDArray[Any]) -> float:
        """Return the mean metric of random orders, which is what equal scores are worth."""
        rng = np.random.default_rng(0)
        scores = (np.where(labels == ABSENT, -np.inf, rng.random(labels.shape)) for _ in range(ORDERS))
        return float(np.mean([self.metric.value(ranked(each, labels), labels) for each in scores]))


@dataclass(frozen=True, slots=True)
class Retrieval(Similarity):
    """`Task` of one vector per text; labels and predictions are relevances by rank, `(n, 10)`."""

    metric: Metric = RANKINGS["cosine-ndcg@10"]

    def predictions(self, answers: NDArray[np.float32], examples: Labelled) -> NDArray[Any]:
        """Return the relevances of the ten documents nearest to each query; a query is no document of its own."""
        texts, found = cast("RankedTexts", examples), directions(answers)
        documents = found[texts.documents]
        rows = np.zeros((len(texts.queries), DEPTH))
        for row, (query, (judged, values)) in enumerate(zip(texts.queries, texts.judged, strict=True)):
            relevance = np.zeros(len(documents))
            cosines = np.where(texts.documents == query, -np.inf, documents @ found[query])
            cosines[judged] = documents[judged] @ found[query]
            relevance[judged] = values
            first = _nearest(cosines, relevance)
            rows[row, : len(first)] = first
        return rows

    def trivial(self, labels: NDArray[Any]) -> float:  # noqa: ARG002
        """Return 0: among equal cosines the relevant documents are ranked last."""
        return 0.0


def _nearest(cosines: NDArray[Any], relevance: NDArray[Any]) -> NDArray[Any]:
    """Return the relevances of the first ten documents `(m,)` by falling cosine."""
    least = np.partition(cosines, -DEPTH)[-DEPTH] if len(cosines) > DEPTH else -np.inf
    near = np.flatnonzero(cosines >= least)
    return ranked(cosines[None, near], relevance[None, near])[0, :DEPTH]
