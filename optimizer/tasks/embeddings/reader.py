"""The reader of pairs of texts with a number that says how similar they are."""

from __future__ import annotations

from dataclasses import replace

from optimizer.errors import InputError, listed
from optimizer.tasks.embeddings.examples import PairExamples, pair_examples
from optimizer.tasks.embeddings.similarity import COSINES, Similarity
from optimizer.tasks.texts.columns import with_columns
from optimizer.tasks.texts.examples import Encoder
from optimizer.tasks.texts.known import Source
from optimizer.tasks.texts.reader import Names
from optimizer.tasks.texts.readers import ScoreReader
from optimizer.tasks.texts.sheet import Sheet
from optimizer.tasks.texts.table import Table

PAIRS = (("sentence1", "sentence2"), ("sentence_A", "sentence_B"), ("text1", "text2"))
SCORES = ("score", "similarity", "relatedness", "label")


class PairReader(ScoreReader):
    """`TextReader` of the similarity of two texts."""

    def columns(self, source: Source, sheet: Sheet) -> Source:
        """Return the source with its columns. Raises `InputError` unless there are two of texts."""
        known = next((pair for pair in PAIRS if set(pair) <= set(sheet.columns)), None)
        found = with_columns(replace(source, text_columns=source.text_columns or known), sheet, labels=SCORES)
        if len(found.text_columns or ()) != 2:
            raise InputError("text_columns", f"name the two columns of texts, got {listed(found.text_columns or ())}")
        return found

    def examples(self, table: Table, role: str, encoder: Encoder, names: Names) -> PairExamples:  # noqa: ARG002
        """Return the examples."""
        return pair_examples(encoder, table, role)

    def task(self, metric: str, names: Names) -> Similarity:  # type: ignore[override]  # noqa: ARG002
        """Return the task."""
        return Similarity(COSINES[metric])
