"""Examples of pairs: every text is embedded once, however many pairs it is in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from optimizer.tasks.texts.examples import Encoder, Examples, regrouped
from optimizer.tasks.texts.table import Table, table_hash

NOTHING = np.zeros(0)


@dataclass(frozen=True)
class PairExamples(Examples):
    """Different texts, `pairs` `(n, 2)` of them by their places, and a number for every pair as `labels` `(n,)`.

    A subset is one of texts, for which there are no pairs.
    """

    pairs: NDArray[np.intp] = field(kw_only=True)

    def subset(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> Self:
        """Return the texts at `indices`, in that order; the hash stays that of the whole."""
        chosen = np.asarray(indices, dtype=np.intp)
        whole = replace(self, labels=np.zeros(len(self)))
        return replace(super(PairExamples, whole).subset(chosen), labels=NOTHING, pairs=self.pairs[:0])

    def _labels(self, places: NDArray[np.integer[Any]]) -> dict[str, Tensor]:  # noqa: ARG002 - texts have none
        return {}


def pair_examples(encoder: Encoder, table: Table, role: str) -> PairExamples:
    """Return the examples of a table of two texts each."""
    places = {text: place for place, text in enumerate(dict.fromkeys(text for pair in table.texts for text in pair))}
    texts = Table(tuple((text,) for text in places), np.zeros(len(places)), ())
    return regrouped(
        encoder.examples(texts, texts.labels, role),
        PairExamples,
        labels=table.labels,
        hash=table_hash(table),
        pairs=np.array([[places[text] for text in pair] for pair in table.texts], dtype=np.intp).reshape(-1, 2),
    )
