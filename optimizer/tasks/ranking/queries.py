"""Queries: rows of query, document and relevance become one example per query."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectives.metrics.ranking import ABSENT
from optimizer.tasks.texts.classes import label_column, scores
from optimizer.tasks.texts.columns import texts_of
from optimizer.tasks.texts.known import Source
from optimizer.tasks.texts.reader import Rows
from optimizer.tasks.texts.sheet import Sheet

Judged = dict[str, dict[str, float]]  # query -> document -> relevance
IsTelling = Callable[[Mapping[str, float]], bool]  # whether the relevances of a query tell rankings apart


def queries_of(sheet: Sheet, source: Source, is_telling: IsTelling, what: str) -> Rows:
    """Return a query with its documents per row, and their relevances `(queries, documents)`, -1 behind the last.

    Queries that are not telling are set aside; `what` says which these are. Raises `InputError` for a relevance that
    is no number from 0, and for a pair that has two.
    """
    judged, notes = _judged(sheet, source)
    telling = {query: found for query, found in judged.items() if is_telling(found)}
    if len(telling) < len(judged):
        notes = (*notes, f"{len(judged) - len(telling)} of {len(judged)} queries {what} were set aside")
    return Rows(
        texts=[(query, *found) for query, found in telling.items()],
        labels=_padded([[*found.values()] for found in telling.values()]),
        is_unlabelled=np.zeros(len(telling), dtype=bool),
        notes=notes,
        documents=(),
    )


def _judged(sheet: Sheet, source: Source) -> tuple[Judged, tuple[str, ...]]:
    """Return the relevances of every query's documents, and what was set aside."""
    column, texts = label_column(sheet, source), texts_of(sheet, source)
    judged: Judged = {}
    repeats = 0
    relevances = scores(column)
    for row, (pair, relevance) in enumerate(zip(texts, relevances.tolist(), strict=True)):
        if relevance < 0:
            raise column.refuse(row, f"relevance {relevance:g}; write 0 for a document that is not relevant")
        if pair is None or np.isnan(relevance):
            continue
        query, document = pair
        found = judged.setdefault(query, {})
        if found.setdefault(document, relevance) != relevance:
            raise column.refuse(
                row, f"relevance {relevance:g}, but {found[document]:g} before for this query and document; keep one"
            )
        repeats += 1
    blank, unlabelled = sum(pair is None for pair in texts), int(np.isnan(relevances).sum())
    repeats -= sum(map(len, judged.values()))
    counts = {"without a text": blank, "without a relevance": unlabelled, "that repeat another": repeats}
    return judged, tuple(f"{n} of {sheet.size} rows {which} were set aside" for which, n in counts.items() if n)


def _padded(rows: Iterable[list[float]]) -> NDArray[Any]:
    """Return rows of different lengths as one array, with -1 behind the end of each."""
    rows = list(rows)
    padded = np.full((len(rows), max(map(len, rows), default=0)), ABSENT)
    for place, row in enumerate(rows):
        padded[place, : len(row)] = row
    return padded
