"""Table: one split of labelled texts, as the data number their labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Table:
    """One split. `texts`: per example one or more strings. `labels`: `(n, …)` label ids, or floats for regression.

    `names` are label names by id, of which the data have those `present`; both are empty for regression. `are_ids`:
    the data hold ids, which `names` describe.
    """

    texts: tuple[tuple[str, ...], ...]
    labels: np.ndarray[Any, np.dtype[Any]]
    names: tuple[str, ...]
    present: tuple[int, ...] | None = None
    are_ids: bool = False

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.texts)

    def take(self, indices: np.ndarray[Any, np.dtype[np.intp]]) -> Table:
        """Return the examples at `indices`, in that order."""
        return replace(self, texts=tuple(self.texts[i] for i in indices), labels=self.labels[indices])


def table_hash(table: Table) -> str:
    """Return the SHA-256 of texts and labels in order."""
    digest = sha256()
    for texts, label in zip(table.texts, table.labels.tolist(), strict=True):
        digest.update(repr((texts, label)).encode())
    return digest.hexdigest()
