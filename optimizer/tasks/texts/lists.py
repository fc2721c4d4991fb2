"""Lists in a column: names or ids of labels, exactly as written, or refused with row, column and remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from optimizer.errors import InputError
from optimizer.tasks.texts.classes import MOST_CLASSES, check_spellings
from optimizer.tasks.texts.sheet import Sheet, given_names

FIELD = "label_column"
ID = re.compile("0|[1-9][0-9]{0,17}")
Spelled = Sequence[str] | None  # the labels of a row
Ids = Mapping[str, int]  # by spelling


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
    kinds: set[bool] = set()
    for row, value in enumerate(sheet.column(column, field)):
        found = list_of(sheet, row, column, field, value, what=what)
        for each in found or ():
            is_id = isinstance(each, int | np.integer) and not isinstance(each, bool) and each >= 0
            if not is_id and not (isinstance(each, str) and each.strip()):
                wanted = f"{each!r:.80} is not a {what}; write a name, or an id counted from 0"
                raise InputError(field, f"{sheet.where(row, column)}: {wanted}")
        kinds |= {isinstance(each, str) for each in found or ()}
        if len(kinds) > 1:
            raise InputError(field, f"{sheet.where(row, column)}: the column holds names and ids; use one of them")
        yield None if found is None else tuple(map(str, found))


def numbered(
    lists: Mapping[str, Sequence[Spelled]], sheets: Mapping[str, Sheet], column: str
) -> tuple[tuple[str, ...], Ids]:
    """Return the names of the labels by id, and the id of every spelling.

    Raises `InputError` for splits of which one has names and one ids, or whose files name the ids differently.
    """
    spelled = {split: {label for row in rows for label in row or ()} for split, rows in lists.items()}
    every = set().union(*spelled.values())
    are_ids = {split: all(map(_is_id, found)) for split, found in spelled.items() if found}
    if len(set(are_ids.values())) > 1:
        kinds = ", ".join(f"{sheets[s].name} has {'ids' if is_id else 'names'}" for s, is_id in are_ids.items())
        raise InputError(FIELD, f"column {column!r}: {kinds}; use one of them in all splits")
    if not every or not all(are_ids.values()):
        check_spellings({label for label in every if re.fullmatch("[0-9]+", label)})
        found = tuple(sorted(every))
        return found, {name: index for index, name in enumerate(found)}
    given, count = given_names(sheets.values(), column), max(map(int, every)) + 1
    if count > (len(given) or MOST_CLASSES):
        known = f"the file names {len(given)} labels" if given else f"at most {MOST_CLASSES:,} labels are read"
        raise InputError(
            FIELD, f"column {column!r}: id {count - 1}, but {known}; count ids from 0, or write names in their place"
        )
    return given or tuple(map(str, range(count))), {label: int(label) for label in every}


def _is_id(label: str) -> bool:
    """Whether a label is spelled as an id is: "07" is a name."""
    return ID.fullmatch(label) is not None
