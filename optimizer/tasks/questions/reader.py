"""The reader of questions with their contexts and answers: a column of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectives.metrics.answers import ANSWERS as METRICS
from optimizer.errors import InputError, listed
from optimizer.tasks.questions.answering import Answering
from optimizer.tasks.questions.columns import ANSWERS, CONTEXT, QUESTION
from optimizer.tasks.questions.examples import QuestionExamples, question_examples
from optimizer.tasks.questions.references import ABSENT, padded, references
from optimizer.tasks.texts.columns import texts_of, with_columns
from optimizer.tasks.texts.examples import Encoder
from optimizer.tasks.texts.known import Source
from optimizer.tasks.texts.reader import Names, Rows
from optimizer.tasks.texts.sheet import Sheet
from optimizer.tasks.texts.table import Table

ANSWERED, UNANSWERABLE = 0, 1


class AnswerReader:
    """`TextReader` of the parts of a context that answer a question."""

    is_split = False

    def columns(self, source: Source, sheet: Sheet) -> Source:
        """Return the source with its columns. Raises `InputError` unless there are two of texts."""
        known = (QUESTION, CONTEXT) if {QUESTION, CONTEXT} <= set(sheet.columns) else None
        asked = replace(source, text_columns=source.text_columns or known)
        found = with_columns(asked, sheet, labels=(ANSWERS, "label"))
        if len(found.text_columns or ()) != 2:
            named = listed(found.text_columns or ())
            raise InputError("text_columns", f"name the columns of question and context, in this order; got {named}")
        return found

    def read(self, sheets: Mapping[str, Sheet], source: Source) -> tuple[dict[str, Rows], tuple[str, ...]]:
        """Return questions, contexts and the characters of the answers of every split."""
        return {split: _rows(sheet, source) for split, sheet in sheets.items()}, ()

    def present(self, labels: NDArray[Any]) -> NDArray[Any]:
        """Return whether there are questions with an answer, 0, and without, 1."""
        return np.unique(np.where((labels == ABSENT).all(axis=(1, 2)), UNANSWERABLE, ANSWERED))

    def outputs(self, names: Names) -> int:  # noqa: ARG002
        """Return 2: where an answer starts and where it ends."""
        return 2

    def examples(self, table: Table, role: str, encoder: Encoder, names: Names) -> QuestionExamples:  # noqa: ARG002
        """Return the examples; a model may answer with nothing if any question of the data has no answer."""
        return question_examples(encoder, table, role, may_refuse=UNANSWERABLE in (table.present or ()))

    def task(self, metric: str, names: Names) -> Answering:  # noqa: ARG002
        """Return the task."""
        return Answering(METRICS[metric])


def _rows(sheet: Sheet, source: Source) -> Rows:
    texts = texts_of(sheet, source)
    spans = list(references(sheet, str(source.label_column), [None if row is None else row[1] for row in texts]))
    is_unlabelled = np.array([row is None for row in spans], dtype=bool)
    return Rows(texts=texts, labels=padded(spans), is_unlabelled=is_unlabelled, shared=1)
