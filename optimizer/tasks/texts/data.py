"""Data: labelled splits from a directory, the hub or the built-in generator, as plain tables of texts and labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from optimizer.errors import InputError, listed
from optimizer.families.encoders import hub
from optimizer.spec import StudySpec
from optimizer.tasks.texts.classes import Column, class_ids, class_names, label_column, scores
from optimizer.tasks.texts.files import read_file
from optimizer.tasks.texts.known import BUILT_IN, GLUE, Task
from optimizer.tasks.texts.sheet import Sheet, sheet_of
from optimizer.tasks.texts.split_files import chosen_splits, is_place, split_files, split_named

TEXT_GUESSES, LABEL_GUESSES = ("sentence", "text"), ("label", "labels")


@dataclass(frozen=True)
class Table:
    """One split. `texts`: per example one or two strings. `labels`: `(n,)` label ids, or floats for regression.

    `names` are label names by id, of which the data have those `present`; both are empty for regression.
    """

    texts: tuple[tuple[str, ...], ...]
    labels: np.ndarray[Any, np.dtype[Any]]
    names: tuple[str, ...]
    present: tuple[int, ...] | None = None

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.texts)

    def take(self, indices: np.ndarray[Any, np.dtype[np.intp]]) -> Table:
        """Return the examples at `indices`, in that order."""
        return replace(self, texts=tuple(self.texts[i] for i in indices), labels=self.labels[indices])


@dataclass(frozen=True)
class Data:
    """The labelled splits by name: "train", "validation" and "test", those that there are."""

    tables: Mapping[str, Table]
    notes: tuple[str, ...] = ()


def read_splits(spec: StudySpec, task: Task) -> Data:
    """Return the labelled splits. Rows without text or label are set aside, and counted in the notes.

    Raises `InputError` for missing columns, unreadable files, empty splits, and values that are not texts or labels.
    """
    sheets, notes = _sheets(spec, task)
    task = with_columns(task, next(iter(sheets.values())))
    texts = {split: _texts(sheet, task) for split, sheet in sheets.items()}
    columns = {split: label_column(sheet, task) for split, sheet in sheets.items()}
    names = () if task.is_regression else class_names(task, columns)
    tables: dict[str, Table] = {}
    for split, sheet in sheets.items():
        table, aside = _table(texts[split], columns[split], names, task)
        notes += [*sheet.notes, *(f"{split}: {note}" for note in aside)]
        if len(table):
            tables[split] = table
    if not tables:
        raise InputError("--data", f"no split has labelled texts; {'; '.join(notes)}")
    present = (
        () if task.is_regression else tuple(np.unique(np.concatenate([t.labels for t in tables.values()])).tolist())
    )
    return Data({split: replace(table, present=present) for split, table in tables.items()}, tuple(notes))


def with_columns(task: Task, sheet: Sheet) -> Task:
    """Return the task with its columns found in the data. Raises `InputError` listing the columns there are."""
    texts = task.text_columns or tuple(name for name in TEXT_GUESSES if name in sheet.columns)[:1]
    label = task.label_column or next((name for name in LABEL_GUESSES if name in sheet.columns), None)
    there = ", ".join(map(repr, sheet.columns))
    if not texts:
        raise InputError("--text-columns", f"the text column cannot be guessed; the data have {there}")
    if label is None:
        raise InputError("--label-column", f"the label column cannot be guessed; the data have {there}")
    return replace(task, text_columns=texts, label_column=label)


def _sheets(spec: StudySpec, task: Task) -> tuple[dict[str, Sheet], list[str]]:
    if spec.data is not None and is_place(spec.data):
        files, unread = split_files(Path(spec.data), task)
        sheets = {split: read_file(path) for split, path in files.items()}
    elif spec.data is None and task.name == BUILT_IN:
        from optimizer.tasks.texts.phrases import phrases_tables

        sheets, unread = {split: _sheet_of_frame(split, frame) for split, frame in phrases_tables().items()}, ()
    else:
        sheets, unread = _from_hub(spec.data or GLUE, None if spec.data else task.subset, task)
    for split, sheet in sheets.items():
        if not sheet.size:
            raise InputError("--data", f"split {split!r} is empty: {sheet.name} has no rows")
    return sheets, [f"not read: {listed(unread)}"] if unread else []


def _sheet_of_frame(name: str, frame: pd.DataFrame) -> Sheet:
    return sheet_of(name, {str(column): frame[column].tolist() for column in frame})


def _from_hub(repository: str, subset: str | None, task: Task) -> tuple[dict[str, Sheet], tuple[str, ...]]:
    from datasets import load_dataset

    found = hub.call_hub("--data", repository, lambda: load_dataset(repository, subset))
    chosen, unread = chosen_splits({name: split_named(name, task) for name in found})
    sheets = {
        split: sheet_of(f"split {name!r}", found[name].with_format("arrow")[:].to_pydict())
        for split, name in chosen.items()
    }
    return sheets, unread


def _texts(sheet: Sheet, task: Task) -> list[tuple[str, ...] | None]:
    """Return the texts of each row, None where one is missing or blank: `(n,)`."""
    columns = [_text_column(sheet, name) for name in task.text_columns or ()]
    return [tuple(row) if all(text and text.strip() for text in row) else None for row in zip(*columns, strict=True)]


def _text_column(sheet: Sheet, name: str) -> list[str]:
    values = sheet.column(name, "--text-columns")
    for row, value in enumerate(values):
        if not isinstance(value, str | None):
            kind = "a list" if isinstance(value, list | tuple) else f"{value!r:.80}"
            raise InputError("--text-columns", f"{sheet.where(row, name)}: holds {kind}; write the text as a string")
    return [value or "" for value in values]


def _table(
    texts: list[tuple[str, ...] | None], column: Column, names: tuple[str, ...], task: Task
) -> tuple[Table, list[str]]:
    """Return a split's table, and what was set aside."""
    labels = scores(column) if task.is_regression else class_ids(column, names)
    blank = np.array([text is None for text in texts])
    unlabelled = ~blank & np.array([label is None for label in column.labels])
    kept = np.flatnonzero(~blank & ~unlabelled)
    counts = {"a text": int(blank.sum()), "a label": int(unlabelled.sum())}
    aside = [f"{n} of {len(texts)} rows without {what} were set aside" for what, n in counts.items() if n]
    return Table(tuple(text for i in kept if (text := texts[i])), labels[kept], names), aside
