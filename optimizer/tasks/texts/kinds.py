"""Kinds: what kind of task a user's own data are for, where neither its name nor a metric says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from optimizer.tasks.questions.columns import ANSWERS, CONTEXT, QUESTION
from optimizer.tasks.ranking.columns import query_columns, spread
from optimizer.tasks.texts.columns import LABEL_GUESSES
from optimizer.tasks.texts.known import Source
from optimizer.tasks.texts.sheet import Sheet
from optimizer.tasks.tokens.columns import WORD_GUESSES


def kind_of_data(source: Source, sheet: Sheet) -> str:
    """Return the kind of task that the columns of a split are for: one class per text where nothing else is seen."""
    if source.text_columns is None and query_columns(spread(sheet)):
        return "retrieval" if sheet.corpus else "reranking"
    words = source.text_columns or [name for name in WORD_GUESSES if name in sheet.columns][:1]
    if len(words) == 1 and _is_list(_first(sheet, words[0], "text_columns")):
        return "token classification"
    label = source.label_column or next((name for name in (*LABEL_GUESSES, ANSWERS) if name in sheet.columns), None)
    value = _first(sheet, label, "label_column") if label else None
    if isinstance(value, Mapping) or (label == ANSWERS and {QUESTION, CONTEXT} <= set(sheet.columns)):
        return "question answering"
    return "multi-label classification" if _is_list(value) else source.likely or "classification"


def _first(sheet: Sheet, column: str, field: str) -> Any:  # Any: a value of the data
    """Return the first value of a column that there is, None where there is none."""
    return next((value for value in sheet.column(column, field) if value is not None), None)


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple | np.ndarray)
