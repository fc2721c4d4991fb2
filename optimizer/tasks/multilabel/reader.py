"""The reader of texts with several labels each: a column of lists of names or ids; an empty list is an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from objectives.metrics.multilabel import MULTILABEL
from optimizer.errors import InputError
from optimizer.tasks.multilabel.labelling import Labelling
from optimizer.tasks.texts.columns import texts_of, with_columns
from optimizer.tasks.texts.examples import Encoder, Examples
from optimizer.tasks.texts.known import Source
from optimizer.tasks.texts.labels import label_map
from optimizer.tasks.texts.lists import Ids, Spelled, numbered, spelled_lists
from optimizer.tasks.texts.reader import Names, Rows
from optimizer.tasks.texts.sheet import Sheet
from optimizer.tasks.texts.table import Table

FIELD = "label_column"


class LabelsReader:
    """`TextReader` of several labels per text."""

    is_split = False

    def columns(self, source: Source, sheet: Sheet) -> Source:
        """Return the source with its columns."""
        return with_columns(source, sheet)

    def read(self, sheets: Mapping[str, Sheet], source: Source) -> tuple[dict[str, Rows], tuple[str, ...]]:
        """Return texts and labels of every split, and the names of the labels."""
        column = str(source.label_column)
        texts = {split: texts_of(sheet, source) for split, sheet in sheets.items()}
        labels = {split: list(_labels(sheet, column)) for split, sheet in sheets.items()}
        names, ids = numbered(labels, sheets, column)
        if not names:
            raise InputError(FIELD, f"column {column!r}: no text has a label; list the labels of every text")
        return {split: _rows(texts[split], labels[split], ids, width=len(names)) for split in sheets}, names

    def present(self, labels: NDArray[np.int64]) -> NDArray[np.intp]:
        """Return the labels that texts have."""
        return np.flatnonzero(labels.any(axis=0))

    def outputs(self, names: Names) -> int:
        """Return one output per label."""
        return len(names)

    def examples(self, table: Table, role: str, encoder: Encoder, names: Names) -> Examples:
        """Return the examples; a label that the model knows and the data do not applies to none."""
        ids = label_map(table.names, names, table.present)
        labels = np.zeros((len(table), len(names)), dtype=np.int64)
        labels[:, ids[ids >= 0]] = table.labels[:, ids >= 0]
        return encoder.examples(table, labels, role)

    def task(self, metric: str, names: Names) -> Labelling:
        """Return the task."""
        return Labelling(MULTILABEL[metric], tuple(names[index] for index in sorted(names)))


def _labels(sheet: Sheet, column: str) -> Iterator[tuple[str, ...] | None]:
    """Yield the labels of every row as they are spelled, None where the list is missing."""
    for row, labels in enumerate(spelled_lists(sheet, column, FIELD, what="label")):
        if labels is not None and len(set(labels)) < len(labels):
            raise InputError(FIELD, f"{sheet.where(row, column)}: a label occurs twice; list the labels that apply")
        yield labels


def _rows(texts: list[tuple[str, ...] | None], labels: Sequence[Spelled], ids: Ids, *, width: int) -> Rows:
    applies = np.zeros((len(labels), width), dtype=np.int64)
    for place, row in enumerate(labels):
        applies[place, [ids[label] for label in row or ()]] = 1
    return Rows(texts=texts, labels=applies, is_unlabelled=np.array([row is None for row in labels], dtype=bool))
