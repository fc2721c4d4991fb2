"""Examples of tagged words: sentences as tokens, and the first token of every word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from optimizer.tasks.texts.examples import TOKENISED_AT_ONCE, Encoder, Examples
from optimizer.tasks.texts.table import Table, table_hash

NOWHERE = -1


@dataclass(frozen=True)
class TaggedExamples(Examples):
    """Tokenised sentences. `labels` are `(n, words)`; `places` `(n, words)` the first token of each word, or -1."""

    places: NDArray[np.int64] = field(kw_only=True)

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which words the model sees: `(n, words)`."""
        return np.asarray(self.places != NOWHERE)

    def subset(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> Self:
        """Return the examples at `indices`, in that order; the hash stays that of the whole."""
        chosen = np.asarray(indices, dtype=np.intp)
        return replace(super().subset(chosen), places=self.places[chosen])

    def _batch(self, places: NDArray[np.integer[Any]]) -> dict[str, Tensor]:
        return {**super()._batch(places), "places": torch.from_numpy(self.places[places])}


def tagged_examples(encoder: Encoder, table: Table, labels: NDArray[np.int64], role: str) -> TaggedExamples:
    """Return the examples of sentences that are split into words already."""
    ids: list[NDArray[np.int64]] = []
    places = np.full(labels.shape, NOWHERE, dtype=np.int64)
    for start in range(0, len(table), TOKENISED_AT_ONCE):
        some = table.texts[start : start + TOKENISED_AT_ONCE]
        encoded = encoder.tokenizer(
            [list(words) for words in some], is_split_into_words=True, truncation=True, max_length=encoder.max_length
        )
        for row, tokens in enumerate(encoded["input_ids"]):
            ids.append(np.array(tokens, dtype=np.int64))
            for place, word in reversed(list(enumerate(encoded.word_ids(row)))):
                if word is not None:
                    places[start + row, word] = place
    full = np.array([len(tokens) == encoder.max_length for tokens in ids], dtype=bool)
    return TaggedExamples(
        role=role,
        token_ids=tuple(ids),
        labels=labels,
        hash=table_hash(table),
        pad_id=int(encoder.tokenizer.pad_token_id or 0),
        cut=int((full & (places[np.arange(len(table)), _words(table) - 1] == NOWHERE)).sum()),
        places=places,
    )


def _words(table: Table) -> NDArray[np.intp]:
    return np.array([len(words) for words in table.texts], dtype=np.intp)
