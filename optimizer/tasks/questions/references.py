"""References: the answers of a question, each a text and the character of the context where it begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import InputError
from optimizer.tasks.texts.sheet import Sheet

FIELD = "label_column"
ABSENT = -1  # of a question with fewer answers than others
KEYS = ("text", "answer_start")
LAYOUT = '{"text": ["Rome"], "answer_start": [17]}, with empty lists where a question has no answer'
Spans = Sequence[tuple[int, int]]  # first character and the one behind the last


def references(sheet: Sheet, column: str, contexts: Sequence[str | None]) -> Iterator[Spans | None]:
    """Yield the answers of every row by their characters in its context, None where answers or context are missing.

    Raises `InputError` for values of another layout, and for an answer that is not at its place in the context.
    """
    for row, (value, context) in enumerate(zip(sheet.column(column, FIELD), contexts, strict=True)):
        where = sheet.where(row, column)
        pairs = None if value is None else _pairs(value, where)
        yield None if pairs is None or context is None else [_span(*pair, context, where) for pair in pairs]


def padded(spans: Sequence[Spans | None]) -> NDArray[np.int64]:
    """Return spans as `(n, answers, 2)` characters, -1 where a question has fewer answers than others."""
    found = np.full((len(spans), max([1, *(len(row or ()) for row in spans)]), 2), ABSENT, dtype=np.int64)
    for place, row in enumerate(spans):
        if row:
            found[place, : len(row)] = row
    return found


def _pairs(value: Any, where: str) -> list[tuple[Any, Any]]:
    """Return text and start of every answer, from a mapping of lists or a list of mappings."""
    if _is_list(value) and all(map(_has_keys, value)):
        return [(each["text"], each["answer_start"]) for each in value]
    if (
        _has_keys(value)
        and all(_is_list(value[key]) for key in KEYS)
        and len(value["text"]) == len(value["answer_start"])
    ):
        return list(zip(value["text"], value["answer_start"], strict=True))
    raise InputError(FIELD, f"{where}: holds {value!r:.80}; write answers as {LAYOUT}")


def _has_keys(value: Any) -> bool:
    return isinstance(value, Mapping) and set(KEYS) <= set(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | np.ndarray)


def _span(text: Any, start: Any, context: str, where: str) -> tuple[int, int]:
    if not isinstance(text, str) or not text.strip():
        raise InputError(FIELD, f"{where}: answer {text!r:.80} is not a text; write the words of the context")
    if not isinstance(start, int | np.integer) or isinstance(start, bool):
        raise InputError(FIELD, f"{where}: answer_start {start!r:.80} is not a whole number")
    end = int(start) + len(text)
    if start < 0 or context[start:end] != text:
        found = _found(text, context)
        raise InputError(FIELD, f"{where}: {text!r:.80} is not at character {start} of its context, {found}")
    return int(start), end


def _found(text: str, context: str) -> str:
    place = context.find(text)
    there = f"but at {place}" if place >= 0 else "nor anywhere else in it"
    return f"{there}; answers are parts of the context as it is written, its characters counted from 0"
