"""Columns of queries, documents and relevances, by their usual names. Words only: no torch here."""

from __future__ import annotations

from optimizer.tasks.texts.sheet import Sheet

QUERIES, DOCUMENTS = ("query", "question"), ("document", "passage", "doc")
RELEVANCES = ("relevance", "score", "label")


def query_columns(sheet: Sheet) -> tuple[str, str] | None:
    """Return the columns of query and document, None unless the data have both."""
    query, document = (next((n for n in names if n in sheet.columns), None) for names in (QUERIES, DOCUMENTS))
    return (query, document) if query and document else None
