"""A text reader: how the data of one kind of task become texts, labels and tokenised examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from optimizer.tasks.task import Task
from optimizer.tasks.texts.examples import Encoder, Examples
from optimizer.tasks.texts.known import Source
from optimizer.tasks.texts.sheet import Sheet
from optimizer.tasks.texts.table import Table

Names = Mapping[int, str]  # of the labels, as the model numbers them


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows of a sheet. `texts` are None where one is missing, `is_unlabelled` `(n,)` says which have no label.

    `are_ids`, `documents` and `shared` are those of a `Table`; `notes` say what was set aside.
    """

    texts: list[tuple[str, ...] | None]
    labels: NDArray[Any]
    is_unlabelled: NDArray[np.bool_]
    are_ids: bool = False
    documents: tuple[str, ...] | None = None
    shared: int | None = None
    notes: tuple[str, ...] = ()


class TextReader(Protocol):
    """How one kind of task is read."""

    @property
    def is_split(self) -> bool:
        """Whether its texts are split into words already."""

    def columns(self, source: Source, sheet: Sheet) -> Source:
        """Return the source with the columns of texts and labels found. Raises `InputError` listing those there are."""

    def read(self, sheets: Mapping[str, Sheet], source: Source) -> tuple[dict[str, Rows], tuple[str, ...]]:
        """Return the rows of every split, and the names of all labels by the data's ids.

        Raises `InputError` with file, row and column for values that are not what the task needs.
        """

    def present(self, labels: NDArray[Any]) -> NDArray[Any]:
        """Return the ids of the labels that have examples, ascending."""

    def outputs(self, names: Names) -> int:
        """Return the outputs of a head for these labels."""

    def examples(self, table: Table, role: str, encoder: Encoder, names: Names) -> Examples:
        """Return tokenised examples with labels as the model numbers them. Raises `InputError` for unknown labels."""

    def task(self, metric: str, names: Names) -> Task:
        """Return the task with its metric."""
