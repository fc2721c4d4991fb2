"""Table: one split of labelled texts, as the data number their labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Table:
    """One split. `texts`: per example one or more strings. `labels`: `(n, …)` label ids, or floats for regression.

    `names` are label names by id, of which the data have those `present`; numbers and texts have no names. `are_ids`:
    the data hold ids, which `names` describe. `documents`: the first text of every example is a query, the others are
    its documents, and these are ranked with them; None for other tasks. `shared`: which of its texts an example may
    share with others, all of which then have the same role, as the questions about one context do.
    """

    texts: tuple[tuple[str, ...], ...]
    labels: np.ndarray[Any, np.dtype[Any]]
    names: tuple[str, ...]
    present: tuple[int, ...] | None = None
    are_ids: bool = False
    documents: tuple[str, ...] | None = None
    shared: int | None = None

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.texts)

    @property
    def subjects(self) -> tuple[tuple[str, ...], ...]:
        """What tells examples apart: their texts, or the query alone."""
        return self.texts if self.documents is None else tuple(texts[:1] for texts in self.texts)

    @property
    def inputs(self) -> int:
        """The number of inputs to a model: one per example, or one per document of a query."""
        return len(self) if self.documents is None else sum(map(len, self.texts)) - len(self)

    def take(self, indices: np.ndarray[Any, np.dtype[np.intp]]) -> Table:
        """Return the examples at `indices`, in that order."""
        return replace(self, texts=tuple(self.texts[i] for i in indices), labels=self.labels[indices])


def table_hash(table: Table) -> str:
    """Return the SHA-256 of texts and labels in order, and of the documents."""
    digest = sha256("\0".join(table.documents or ()).encode())
    for texts, label in zip(table.texts, table.labels.tolist(), strict=True):
        digest.update(repr((texts, label)).encode())
    return digest.hexdigest()
