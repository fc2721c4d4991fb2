"""Columns: which columns hold texts and labels, and the texts of every row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from optimizer.errors import InputError, alternatives, listed
from optimizer.tasks.texts.known import Source
from optimizer.tasks.texts.sheet import Sheet

TEXT_GUESSES, LABEL_GUESSES = ("sentence", "text"), ("label", "labels")


def with_columns(
    source: Source, sheet: Sheet, *, texts: Sequence[str] = TEXT_GUESSES, labels: Sequence[str] = LABEL_GUESSES
) -> Source:
    """Return the source with its columns found in the data. Raises `InputError` listing the columns there are."""
    found = source.text_columns or tuple(name for name in texts if name in sheet.columns)[:1]
    label = source.label_column or next((name for name in labels if name in sheet.columns), None)
    if not found:
        raise _unfound("text_columns", texts, sheet)
    if label is None:
        raise _unfound("label_column", labels, sheet)
    return replace(source, text_columns=found, label_column=label)


def _unfound(field: str, guesses: Sequence[str], sheet: Sheet) -> InputError:
    looked_for = alternatives([*map(repr, guesses)])
    return InputError(field, f"no column is called {looked_for}; give `{field}`, from {listed(sheet.columns)}")


def texts_of(sheet: Sheet, source: Source) -> list[tuple[str, ...] | None]:
    """Return the texts of each row, None where one is missing or blank: `(n,)`."""
    columns = [_text_column(sheet, name) for name in source.text_columns or ()]
    return [tuple(row) if all(text and text.strip() for text in row) else None for row in zip(*columns, strict=True)]


def _text_column(sheet: Sheet, name: str) -> list[str]:
    values = sheet.column(name, "text_columns")
    for row, value in enumerate(values):
        if not isinstance(value, str | None):
            kind = "a list" if isinstance(value, list | tuple) else f"{value!r:.80}"
            raise InputError("text_columns", f"{sheet.where(row, name)}: holds {kind}; write the text as a string")
    return [value or "" for value in values]
