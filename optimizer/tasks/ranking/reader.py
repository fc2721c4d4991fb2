"""Readers of queries, documents and relevances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from objectives.metrics.ranking import RANKINGS
from optimizer.errors import InputError, listed
from optimizer.tasks.ranking.columns import RELEVANCES, query_columns, spread
from optimizer.tasks.ranking.examples import RankedPairs, RankedTexts, ranked_pairs, ranked_texts
from optimizer.tasks.ranking.queries import queries_of
from optimizer.tasks.ranking.rankings import Reranking, Retrieval
from optimizer.tasks.texts.columns import with_columns
from optimizer.tasks.texts.examples import Encoder
from optimizer.tasks.texts.known import Source
from optimizer.tasks.texts.reader import Names, Rows
from optimizer.tasks.texts.readers import ScoreReader
from optimizer.tasks.texts.sheet import Sheet
from optimizer.tasks.texts.table import Table

ALIKE = "whose documents are all equally relevant"


class RerankReader(ScoreReader):
    """`TextReader` of queries whose own documents are ranked."""

    def columns(self, source: Source, sheet: Sheet) -> Source:
        """Return the source with its columns. Raises `InputError` unless there are two of texts."""
        sheet = spread(sheet)
        known = source.text_columns or query_columns(sheet)
        found = with_columns(replace(source, text_columns=known), sheet, labels=RELEVANCES)
        if len(found.text_columns or ()) != 2:
            raise InputError(
                "text_columns", f"name the columns of query and document, got {listed(found.text_columns or ())}"
            )
        return found

    def read(self, sheets: Mapping[str, Sheet], source: Source) -> tuple[dict[str, Rows], tuple[str, ...]]:
        """Return the queries of every split with their documents."""
        return {
            split: queries_of(spread(sheet), source, lambda found: len(set(found.values())) > 1, ALIKE)
            for split, sheet in sheets.items()
        }, ()

    def examples(self, table: Table, role: str, encoder: Encoder, names: Names) -> RankedPairs:  # noqa: ARG002
        """Return the examples."""
        return ranked_pairs(encoder, table, role)

    def task(self, metric: str, names: Names) -> Reranking:  # noqa: ARG002
        """Return the task."""
        return Reranking(RANKINGS[metric])


class RetrievalReader(RerankReader):
    """`TextReader` of queries for which all documents of the data are ranked."""

    def read(self, sheets: Mapping[str, Sheet], source: Source) -> tuple[dict[str, Rows], tuple[str, ...]]:
        """Return the queries of every split, and all documents."""
        sheets = {split: spread(sheet) for split, sheet in sheets.items()}
        rows = {
            split: queries_of(sheet, source, lambda found: any(found.values()), "without a relevant document")
            for split, sheet in sheets.items()
        }
        column = (source.text_columns or ("", ""))[1]
        judged = (text for sheet in sheets.values() for text in sheet.column(column, "text_columns"))
        corpora = (text for sheet in sheets.values() for text in sheet.corpus)
        documents = tuple(dict.fromkeys(text for each in (corpora, judged) for text in each if text and text.strip()))
        return {split: replace(each, documents=documents) for split, each in rows.items()}, ()

    def examples(self, table: Table, role: str, encoder: Encoder, names: Names) -> RankedTexts:  # type: ignore[override]  # noqa: ARG002
        """Return the examples."""
        return ranked_texts(encoder, table, role)

    def task(self, metric: str, names: Names) -> Retrieval:  # type: ignore[override]  # noqa: ARG002
        """Return the task."""
        return Retrieval(RANKINGS[metric])
