"""Readers of texts with one label each: a class, or a number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectives.metrics import METRICS
from optimizer.tasks.classification import Classification
from optimizer.tasks.regression import Regression
from optimizer.tasks.texts.classes import Column, class_ids, class_names, label_column, names_in_files, scores
from optimizer.tasks.texts.columns import texts_of, with_columns
from optimizer.tasks.texts.examples import Encoder, Examples
from optimizer.tasks.texts.known import Source
from optimizer.tasks.texts.labels import label_map
from optimizer.tasks.texts.reader import Names, Rows
from optimizer.tasks.texts.sheet import Sheet
from optimizer.tasks.texts.table import Table


class ClassReader:
    """`TextReader` of one class per text or pair of texts."""

    is_split = False

    def columns(self, source: Source, sheet: Sheet) -> Source:
        """Return the source with its columns."""
        return with_columns(source, sheet)

    def read(self, sheets: Mapping[str, Sheet], source: Source) -> tuple[dict[str, Rows], tuple[str, ...]]:
        """Return texts and class ids of every split, and the names of the classes."""
        texts = {split: texts_of(sheet, source) for split, sheet in sheets.items()}
        columns = {split: label_column(sheet, source) for split, sheet in sheets.items()}
        names = class_names(source, columns)
        rows = {split: _rows(texts[split], column, class_ids(column, names)) for split, column in columns.items()}
        are_ids = names == names_in_files(columns)
        return {split: replace(each, are_ids=are_ids) for split, each in rows.items()}, names

    def present(self, labels: NDArray[Any]) -> NDArray[Any]:
        """Return the classes that have examples."""
        return np.unique(labels)

    def outputs(self, names: Names) -> int:
        """Return one output per class."""
        return len(names)

    def examples(self, table: Table, role: str, encoder: Encoder, names: Names) -> Examples:
        """Return the examples."""
        ids = label_map(table.names, names, table.present, are_ids=table.are_ids)
        return encoder.examples(table, ids[table.labels], role)

    def task(self, metric: str, names: Names) -> Classification:  # noqa: ARG002 - classes are told by their ids
        """Return the task."""
        return Classification(METRICS[metric])


class ScoreReader:
    """`TextReader` of one number per text or pair of texts."""

    is_split = False

    def columns(self, source: Source, sheet: Sheet) -> Source:
        """Return the source with its columns."""
        return with_columns(source, sheet)

    def read(self, sheets: Mapping[str, Sheet], source: Source) -> tuple[dict[str, Rows], tuple[str, ...]]:
        """Return texts and numbers of every split."""
        texts = {split: texts_of(sheet, source) for split, sheet in sheets.items()}
        columns = {split: label_column(sheet, source) for split, sheet in sheets.items()}
        return {split: _rows(texts[split], column, scores(column)) for split, column in columns.items()}, ()

    def present(self, labels: NDArray[Any]) -> NDArray[Any]:  # noqa: ARG002 - numbers are no classes
        """Return nothing."""
        return np.array([], dtype=np.int64)

    def outputs(self, names: Names) -> int:  # noqa: ARG002
        """Return 1."""
        return 1

    def examples(self, table: Table, role: str, encoder: Encoder, names: Names) -> Examples:  # noqa: ARG002
        """Return the examples."""
        return encoder.examples(table, table.labels, role)

    def task(self, metric: str, names: Names) -> Regression:  # noqa: ARG002
        """Return the task."""
        return Regression(METRICS[metric])


def _rows(texts: list[tuple[str, ...] | None], column: Column, labels: NDArray[Any]) -> Rows:
    return Rows(texts=texts, labels=labels, is_unlabelled=np.array([label is None for label in column.labels]))
