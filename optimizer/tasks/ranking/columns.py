"""Columns of queries, documents and relevances, by their usual names. Words only: no torch here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from optimizer.errors import InputError
from optimizer.tasks.texts.sheet import Sheet

QUERIES, DOCUMENTS = ("query", "anchor"), ("document", "passage", "doc")
RELEVANCES = ("relevance", "score", "label")
SIDES = {1: ("positive", "positives", "pos"), 0: ("negative", "negatives", "neg")}  # by relevance
SPREAD = (QUERIES[0], DOCUMENTS[0], RELEVANCES[0])


def query_columns(sheet: Sheet) -> tuple[str, str] | None:
    """Return the columns of query and document, None unless the data have both."""
    query, document = _named(sheet, QUERIES), _named(sheet, DOCUMENTS)
    return (query, document) if query and document else None


def spread(sheet: Sheet) -> Sheet:
    """Return a row per document where a row has a query with relevant and irrelevant ones; other sheets as they are.

    Raises `InputError` for values that are neither a text nor a list of texts.
    """
    query, sides = _named(sheet, QUERIES), {side: _named(sheet, names) for side, names in SIDES.items()}
    if not query or not sides[1]:
        return sheet
    rows = [
        (row, document, relevance)
        for relevance, column in sides.items()
        if column
        for row, document in _documents(sheet, column)
    ]
    asked = sheet.column(query, "text_columns")
    values = dict(zip(SPREAD, zip(*((asked[row], text, side) for row, text, side in rows), strict=True), strict=False))
    return Sheet(
        name=sheet.name,
        columns=SPREAD,
        size=len(rows),
        read=lambda column: values.get(column, ()),
        lines=None if sheet.lines is None else [sheet.lines[row] for row, *_ in rows],
        places=None if sheet.lines else [f"row {row + 1}" for row, *_ in rows],
        notes=sheet.notes,
    )


def _documents(sheet: Sheet, column: str) -> Iterator[tuple[int, str]]:
    """Yield row and text of every document in a column of texts or of lists of texts."""
    for row, value in enumerate(sheet.column(column, "text_columns")):
        texts: Sequence[object] = [value] if isinstance(value, str) else [] if value is None else value
        if not isinstance(texts, list | tuple | np.ndarray) or not all(isinstance(text, str) for text in texts):
            where = sheet.where(row, column)
            raise InputError("text_columns", f"{where}: holds {value!r:.80}; write a text, or a list of texts")
        yield from ((row, str(text)) for text in texts)


def _named(sheet: Sheet, names: Sequence[str]) -> str | None:
    return next((name for name in names if name in sheet.columns), None)
