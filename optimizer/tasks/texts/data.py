"""Data: labelled splits from a directory, the hub or the built-in generator, as plain tables of texts and labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from optimizer.errors import InputError, listed
from optimizer.hub import call_hub
from optimizer.spec import StudySpec
from optimizer.tasks.ranking.collection import collection_files, judged_sheets
from optimizer.tasks.texts.files import read_file
from optimizer.tasks.texts.kinds import kind_of_data
from optimizer.tasks.texts.known import BUILT_IN, GLUE, Source
from optimizer.tasks.texts.reader import Rows
from optimizer.tasks.texts.sheet import Sheet, sheet_of, sheet_of_dataset
from optimizer.tasks.texts.split_files import chosen_splits, is_place, split_files, split_named
from optimizer.tasks.texts.splits import MORE
from optimizer.tasks.texts.table import Table


@dataclass(frozen=True)
class Data:
    """The labelled splits by name: "train", "validation" and "test", those that there are.

    "verification" are the verification data. `source` is where the splits come from, with the kind of task and the
    columns that the data decided.
    """

    source: Source
    tables: Mapping[str, Table]
    notes: tuple[str, ...] = ()


def read_splits(spec: StudySpec, source: Source, texts: Mapping[str, Sheet] | None = None) -> Data:
    """Return the labelled splits, those of `texts` where they are given.

    Rows without text or label are set aside, and counted in the notes.

    Raises `InputError` for missing columns, unreadable files, empty splits, and values that are not texts or labels.
    """
    sheets, notes = _sheets(spec, source, texts)
    first = next(iter(sheets.values()))
    source = source.of_kind(source.kind or kind_of_data(source, first))
    reader = source.reader()
    source = reader.columns(source, first)
    rows, names = reader.read(sheets, source)
    tables: dict[str, Table] = {}
    for split, sheet in sheets.items():
        table, aside = _table(rows[split], names)
        notes += [*sheet.notes, *(f"{split}: {note}" for note in aside)]
        if len(table):
            tables[split] = table
    if not tables:
        raise InputError("data", f"no split has labelled texts; {'; '.join(notes)}")
    present = tuple(np.unique(np.concatenate([reader.present(t.labels) for t in tables.values()])).tolist())
    whole = {split: replace(table, present=present) for split, table in tables.items()}
    return Data(source, whole, tuple(notes))


def _sheets(spec: StudySpec, source: Source, texts: Mapping[str, Sheet] | None) -> tuple[dict[str, Sheet], list[str]]:
    sheets: dict[str, Sheet]
    unread: tuple[str, ...]
    if texts is not None:
        chosen, unread = chosen_splits({name: split_named(name, source) for name in texts})
        sheets = {split: texts[name] for split, name in chosen.items()}
        if not sheets:
            raise InputError("data", f"has no split train, validation or test; it has {listed(unread)}")
    elif spec.data is not None and is_place(spec.data):
        files, unread = split_files(Path(spec.data), source)
        sheets = {split: read_file(path) for split, path in files.items()}
        if beside := collection_files({name: Path(spec.data, name) for name in unread}):
            sheets = judged_sheets(sheets, beside)
            unread = tuple(name for name in unread if Path(spec.data, name) not in beside.values())
    elif spec.data is None and source.name == BUILT_IN:
        from optimizer.tasks.texts.phrases import phrases_tables

        sheets, unread = {split: _sheet_of_frame(split, frame) for split, frame in phrases_tables().items()}, ()
    else:
        sheets, unread = _from_hub(spec.data or GLUE, None if spec.data else source.subset, source)
    if spec.verification_data is not None:
        sheets[MORE] = read_file(Path(spec.verification_data))
    for split, sheet in sheets.items():
        if not sheet.size:
            raise InputError("data", f"split {split!r} is empty: {sheet.name} has no rows")
    return sheets, [f"not read: {listed(unread)}"] if unread else []


def _sheet_of_frame(name: str, frame: pd.DataFrame) -> Sheet:
    return sheet_of(name, {str(column): frame[column].tolist() for column in frame})


def _from_hub(repository: str, subset: str | None, source: Source) -> tuple[dict[str, Sheet], tuple[str, ...]]:
    from datasets import load_dataset

    found = call_hub("data", repository, lambda: load_dataset(repository, subset))
    chosen, unread = chosen_splits({name: split_named(name, source) for name in found})
    return {split: sheet_of_dataset(f"split {name!r}", found[name]) for split, name in chosen.items()}, unread


def _table(rows: Rows, names: tuple[str, ...]) -> tuple[Table, list[str]]:
    """Return a split's table, and what was set aside."""
    blank = np.array([text is None for text in rows.texts], dtype=bool)
    unlabelled = ~blank & rows.is_unlabelled
    kept = np.flatnonzero(~blank & ~unlabelled)
    counts = {"a text": int(blank.sum()), "a label": int(unlabelled.sum())}
    aside = [*rows.notes] + [
        f"{n} of {len(blank)} rows without {what} were set aside" for what, n in counts.items() if n
    ]
    texts = tuple(text for i in kept if (text := rows.texts[i]))
    table = Table(texts, rows.labels[kept], names, are_ids=rows.are_ids, documents=rows.documents, shared=rows.shared)
    return table, aside
