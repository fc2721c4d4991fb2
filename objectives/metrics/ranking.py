"""Metrics of rankings: relevances `(n, k)` in the order of a ranking, against the same in the best order as labels.

A row is a query. Behind its last document is -1. Gains are the relevances themselves, as in trec_eval.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from objectives.metrics.metric import Array, FloatArray, Kind, Metric, share_metric

DEPTH = 10  # documents
ABSENT = -1.0


def ranked(scores: Array, relevance: Array) -> FloatArray:
    """Return relevances `(n, k)` by falling score; of equal scores the least relevant first."""
    order = np.lexsort((relevance, -scores), axis=1)
    return np.take_along_axis(relevance, order, axis=1)


def ndcg(predictions: Array, labels: Array) -> FloatArray:
    """Return the discounted gain of the first ten documents over the best possible one, `(n,)` in [0, 1]."""
    best = _gain(labels)
    return np.divide(_gain(predictions), best, out=np.zeros(len(best)), where=best > 0)


def reciprocal_rank(predictions: Array, labels: Array) -> FloatArray:  # noqa: ARG001 - the labels are the best ranking
    """Return 1 over the rank of the first relevant document among the first ten, 0 without one: `(n,)`."""
    is_relevant = predictions[:, :DEPTH] > 0
    return np.where(is_relevant.any(axis=1), 1 / (1 + is_relevant.argmax(axis=1)), 0.0)


def _gain(relevance: Array) -> FloatArray:
    first = relevance[:, :DEPTH].astype(np.float64).clip(min=0)
    return np.asarray(first @ (1 / np.log2(np.arange(2, first.shape[1] + 2))))


RANKINGS: Mapping[str, Metric] = {
    metric.name: metric
    for kind, before in ((Kind.RERANKING, ""), (Kind.RETRIEVAL, "cosine-"))
    for metric in (
        share_metric(f"{before}ndcg@{DEPTH}", kind, ndcg),
        share_metric(f"{before}mrr@{DEPTH}", kind, reciprocal_rank),
    )
}
