"""Examples of queries: the pairs that a reranker reads, or the texts that are embedded, each once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectives.metrics.ranking import ABSENT, DEPTH
from optimizer.tasks.texts.examples import Encoder, Examples, regrouped
from optimizer.tasks.texts.table import Table, table_hash

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class RankedPairs(Examples):
    """Pairs of query and document, those of a query one after another. `labels` `(queries, k)`: its best ranking.

    `relevance` `(queries, k)` is in the order of the pairs, -1 behind a query's last one. `targets` `(pairs,)` are the
    relevances over the query's greatest, in [0, 1]. A subset is one of pairs, without queries.
    """

    relevance: FloatArray = field(kw_only=True)
    targets: NDArray[np.float32] = field(kw_only=True)

    def by_query(self, values: NDArray[Any]) -> FloatArray:
        """Return values of pairs `(pairs,)` as `(queries, k)`, -inf behind a query's last pair."""
        found = np.full(self.relevance.shape, -np.inf)
        found[self.relevance != ABSENT] = values
        return found

    def subset(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> Self:
        """Return the pairs at `indices`, in that order; the hash stays that of the whole."""
        whole, none = replace(self, labels=np.zeros(len(self))), self.relevance[:0]
        some = super(RankedPairs, whole).subset(indices)
        return replace(some, labels=none, relevance=none, targets=self.targets[np.asarray(indices, dtype=np.intp)])

    def take(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> Self:
        """Return the queries at `indices` with all their pairs, in that order."""
        chosen = np.asarray(indices, dtype=np.intp)
        places = self.by_query(np.arange(len(self)))[chosen]
        some = self.subset(places[places >= 0].astype(np.intp))
        return replace(some, labels=self.labels[chosen], relevance=self.relevance[chosen])

    def _labels(self, places: NDArray[np.integer[Any]]) -> dict[str, Tensor]:
        return {"labels": torch.from_numpy(self.targets[places])}


def ranked_pairs(encoder: Encoder, table: Table, role: str) -> RankedPairs:
    """Return the pairs of a table of queries with their documents."""
    pairs = tuple((query, document) for query, *documents in table.texts for document in documents)
    targets = table.labels / table.labels.max(axis=1, keepdims=True)
    return regrouped(
        encoder.examples(Table(pairs, np.zeros(len(pairs)), ()), np.zeros(len(pairs)), role),
        RankedPairs,
        labels=_best_first(table.labels),
        hash=table_hash(table),
        relevance=table.labels,
        targets=targets[table.labels != ABSENT].astype(np.float32),
    )


@dataclass(frozen=True)
class RankedTexts(Examples):
    """Different texts: `queries` `(n,)` and `documents` `(m,)` are places of texts. `labels` `(n, 10)`: best rankings.

    `judged` has the places of a query's documents among all, and their relevances; all others are irrelevant. A subset
    is one of texts, for which there are no queries.
    """

    queries: NDArray[np.intp] = field(kw_only=True)
    documents: NDArray[np.intp] = field(kw_only=True)
    judged: tuple[tuple[NDArray[np.intp], FloatArray], ...] = field(kw_only=True)

    def subset(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> Self:
        """Return the texts at `indices`, in that order; the hash stays that of the whole."""
        whole = replace(self, labels=np.zeros(len(self)))
        some = super(RankedTexts, whole).subset(indices)
        return replace(some, labels=self.labels[:0], queries=self.queries[:0], judged=())

    def _labels(self, places: NDArray[np.integer[Any]]) -> dict[str, Tensor]:  # noqa: ARG002 - texts have none
        return {}


def ranked_texts(encoder: Encoder, table: Table, role: str) -> RankedTexts:
    """Return the queries of a table with all documents; those of calibration with their own alone."""
    own = (document for _, *documents in table.texts for document in documents)
    documents = dict.fromkeys(own if role == "calibration" else table.documents or ())
    places = {text: i for i, text in enumerate(dict.fromkeys((*(query for query, *_ in table.texts), *documents)))}
    rank_of = {document: i for i, document in enumerate(documents)}
    texts = Table(tuple((text,) for text in places), np.zeros(len(places)), ())
    return regrouped(
        encoder.examples(texts, texts.labels, role),
        RankedTexts,
        labels=np.pad(_best_first(table.labels), ((0, 0), (0, DEPTH)))[:, :DEPTH].clip(min=0),
        hash=table_hash(table),
        queries=np.array([places[query] for query, *_ in table.texts], dtype=np.intp),
        documents=np.array([places[document] for document in documents], dtype=np.intp),
        judged=tuple(
            (np.array([rank_of[document] for document in found], dtype=np.intp), row[row != ABSENT])
            for (_, *found), row in zip(table.texts, table.labels, strict=True)
        ),
    )


def _best_first(relevance: FloatArray) -> FloatArray:
    return -np.sort(-relevance, axis=1)
