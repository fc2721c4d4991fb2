"""Lists in a column: names or ids of labels, exactly as written, or refused with row, column and remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from optimizer.errors import InputError
from optimizer.tasks.texts.sheet import Sheet

FIELD = "label_column"
Spelled = Sequence[str] | None  # the labels of a row


def list_of(sheet: Sheet, row: int, column: str, field: str, value: Any, *, what: str) -> list[Any] | None:
    """Return a value as a list, None where it is missing. Raises `InputError` for a value that is none."""
    if value is None or isinstance(value, list | tuple | np.ndarray):
        return None if value is None else list(value)
    raise InputError(
        field,
        f"{sheet.where(row, column)}: holds {value!r:.80}, not a list of {what}s; give parquet or jsonl with lists",
    )


def spelled_lists(sheet: Sheet, column: str, field: str, *, what: str) -> Iterator[tuple[str, ...] | None]:
    """Yield the names or ids of every row as they are spelled, None where the list is missing."""
    for row, value in enumerate(sheet.column(column, field)):
        found = list_of(sheet, row, column, field, value, what=what)
        for each in found or ():
            is_id = isinstance(each, int | np.integer) and not isinstance(each, bool) and each >= 0
            if not is_id and not (isinstance(each, str) and each.strip()):
                wanted = f"{each!r:.80} is not a {what}; write a name, or an id counted from 0"
                raise InputError(field, f"{sheet.where(row, column)}: {wanted}")
        if len({isinstance(each, str) for each in found or ()}) > 1:
            raise InputError(field, f"{sheet.where(row, column)}: holds names and ids; use one of them")
        yield None if found is None else tuple(map(str, found))


def names_of(lists: Mapping[str, Sequence[Spelled]], sheets: Mapping[str, Sheet], column: str) -> tuple[str, ...]:
    """Return the names of the labels by id. Raises `InputError` for splits of which one has names and one ids."""
    spelled = {split: {label for row in rows for label in row or ()} for split, rows in lists.items()}
    every = set().union(*spelled.values())
    numbers = {split: all(label.isdecimal() for label in found) for split, found in spelled.items() if found}
    if len(set(numbers.values())) > 1:
        kinds = ", ".join(f"{sheets[s].name} has {'ids' if is_id else 'names'}" for s, is_id in numbers.items())
        raise InputError(FIELD, f"column {column!r}: {kinds}; use one of them in all splits")
    if not every or not all(numbers.values()):
        return tuple(sorted(every))
    given = next((sheet.label_names[column] for sheet in sheets.values() if column in sheet.label_names), ())
    count = max(map(int, every)) + 1
    if given and count > len(given):
        raise InputError(FIELD, f"column {column!r}: id {count - 1}, but the file names {len(given)} labels")
    return tuple(given) or tuple(map(str, range(count)))
