"""Classes: a label column becomes class ids and class names. Whole numbers are ids by value; all else is a name.

Codes ("007", "1e3") look like numbers, and are names: a number would not be written so.

Missing labels, and -1 where it can only mean "unlabelled", are None. Nothing is rounded, merged or renamed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import InputError, listed
from optimizer.tasks.texts.known import Source
from optimizer.tasks.texts.sheet import Sheet, given_names

FIELD = "label_column"
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")
LIST = re.compile(r"""\[\s*(['"0-9].*)?\]""", re.DOTALL)  # "['a', 'b']", as pandas writes a list into a csv file
CODE = re.compile(r"0[0-9]+|[0-9]+[eE][0-9]+")
UNLABELLED = -1
MOST_CLASSES = 100_000


@dataclass(frozen=True, slots=True)
class Column:
    """The labels of one split as they are spelled, None where missing: `(n,)`. `where` describes a row's place."""

    sheet: Sheet
    name: str
    labels: list[str | None]

    def refuse(self, row: int, what: str) -> InputError:
        """Return the error about the label of a row."""
        return InputError(FIELD, f"{self.sheet.where(row, self.name)}: {what}")


def label_column(sheet: Sheet, source: Source) -> Column:
    """Return the labels of a split. Raises `InputError` for values that cannot be labels, and for mixed kinds."""
    name = str(source.label_column)
    column = Column(sheet, name, [])
    kinds: dict[type, Any] = {}
    for row, value in enumerate(sheet.column(name, FIELD)):
        kind, label = _spelled(column, row, value)
        if label is not None:
            kinds.setdefault(kind, value)
            if len(kinds) > 1:
                raise column.refuse(
                    row, f"{value!r} and {next(iter(kinds.values()))!r} are of different kinds; use one"
                )
        column.labels.append(label)
    return _without_unlabelled(column, source)


def scores(column: Column) -> NDArray[np.float64]:
    """Return the labels of a regression, NaN where missing: `(n,)`.

    Raises `InputError` for labels that are not finite numbers.
    """
    for row, label in enumerate(column.labels):
        if label is not None and not (_is_number(label) and math.isfinite(float(label))):
            raise column.refuse(row, f"a number is needed, got {label!r}")
    return np.array([np.nan if label is None else float(label) for label in column.labels])


def class_names(source: Source, columns: Mapping[str, Column]) -> tuple[str, ...]:
    """Return the names of all classes by id. Raises `InputError` for labels that the task does not have."""
    spellings = {label for column in columns.values() for label in column.labels if label is not None}
    if spellings and all(map(_is_number, spellings)):
        names = _names_of_ids(source, columns)
        if names or not any(map(CODE.fullmatch, spellings)):
            for column in columns.values():
                _check_ids(column, len(names) or MOST_CLASSES)
            check_spellings(spellings)
            return names or tuple(str(index) for index in range(max(map(_id, spellings)) + 1))
        check_spellings(spellings)
    if not source.labels:
        _check_common(columns)
    elif not spellings <= set(source.labels):
        known = listed(source.labels)
        raise InputError(FIELD, f"labels {listed(sorted(spellings))} are not those of {source.name}: {known}")
    return source.labels or tuple(sorted(spellings))


def _names_of_ids(source: Source, columns: Mapping[str, Column]) -> tuple[str, ...]:
    """Return the names of ids that the task or the files give; those of the files where these only order them anew."""
    given = names_in_files(columns)
    return given if not source.labels or set(given) == set(source.labels) else source.labels


def names_in_files(columns: Mapping[str, Column]) -> tuple[str, ...]:
    """Return the names that the files give to the ids of a column, none where there are none."""
    return given_names((column.sheet for column in columns.values()), next(iter(columns.values())).name)


def class_ids(column: Column, names: Sequence[str]) -> NDArray[np.int64]:
    """Return the class ids `(n,)` of the labels, -1 where missing."""
    ids = {name: index for index, name in enumerate(names)}
    return np.array(
        [UNLABELLED if label is None else ids[label] if label in ids else _id(label) for label in column.labels],
        dtype=np.int64,
    )


def _spelled(column: Column, row: int, value: Any) -> tuple[type, str | None]:
    """Return a value's kind and spelling, None for a missing one."""
    match value:
        case None | "":
            return str, None
        case str() if LIST.fullmatch(value.strip()):
            raise column.refuse(
                row,
                f"holds {value!r:.80}, a list written as text; give parquet or jsonl with lists, or rename the class",
            )
        case bool():
            return bool, str(value).lower()
        case str():
            return str, value if value.strip() else None
        case int() | float() if math.isnan(value):
            return float, None
        case int() | float() if math.isfinite(value):
            return float, str(int(value)) if value == int(value) else repr(float(value))
        case list() | tuple() | dict():
            raise column.refuse(
                row,
                f"holds {value!r:.80}; one class is asked for; for several labels choose micro-f1 as `metric`",
            )
    raise column.refuse(row, f"holds {value!r:.80}, which is neither a number nor a name")


def _without_unlabelled(column: Column, source: Source) -> Column:
    """Return the column without the -1 of unlabelled examples: of known tasks, and of splits that hold nothing else."""
    labelled = [None if label is None or _is_minus_one(label) else label for label in column.labels]
    return Column(column.sheet, column.name, labelled) if source.is_known or not any(labelled) else column


def _check_ids(column: Column, count: int) -> None:
    for row, label in enumerate(column.labels):
        if label is None:
            continue
        if not float(label).is_integer():
            raise column.refuse(
                row,
                f"label {label} is not a whole number; name the classes, or choose `metric` spearman or pearson "
                "for a regression",
            )
        if _is_minus_one(label):
            raise column.refuse(
                row, "label -1: leave the label empty where there is none; number the classes from 0 where it is one"
            )
        if not 0 <= _id(label) < count:
            raise column.refuse(row, f"label {label}; known are 0 to {count - 1}, counted from 0")


def check_spellings(spellings: set[str]) -> None:
    """Raise `InputError` where one number is spelled in two ways."""
    seen: dict[Decimal, str] = {}
    for spelling in sorted(spellings):
        other = seen.setdefault(Decimal(spelling), spelling)
        if other != spelling:
            raise InputError(FIELD, f"labels {other!r} and {spelling!r} are the same number; spell it in one way")


def _check_common(columns: Mapping[str, Column]) -> None:
    """Raise `InputError` for two splits without a common name, which spell the same classes differently."""
    names = {column.sheet.name: {label for label in column.labels if label is not None} for column in columns.values()}
    for one, other in combinations([split for split, found in names.items() if found], 2):
        if not names[one] & names[other]:
            ones, others = listed(sorted(names[one])), listed(sorted(names[other]))
            raise InputError(FIELD, f"{one} has labels {ones}, {other} has {others}; name the classes alike in both")


def _is_number(label: str) -> bool:
    return NUMBER.fullmatch(label) is not None


def _is_minus_one(label: str) -> bool:
    return _is_number(label) and float(label) == UNLABELLED


def _id(label: str) -> int:
    return int(float(label))
