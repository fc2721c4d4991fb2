"""Examples: one role's tokenised texts and labels, ready to be batched without padding more than needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from optimizer.tasks.images.examples import ImageExamples
from optimizer.tasks.texts.table import Table, table_hash

TOKENISED_AT_ONCE = 1024


@dataclass(frozen=True)
class Examples:
    """Tokenised examples. `token_ids` and `type_ids` hold one int64 array per example; `labels`: `(n,)`, as the
    model numbers them.

    `hash` is that of texts and labels; `pad_id` fills up batches; `cut` counts texts that were longer than allowed.
    """

    role: str
    token_ids: tuple[NDArray[np.int64], ...]
    labels: NDArray[Any]
    hash: str
    pad_id: int = 0
    type_ids: tuple[NDArray[np.int64], ...] | None = None
    cut: int = 0

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.token_ids)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each example without padding: `(n,)`."""
        return np.array([len(ids) for ids in self.token_ids], dtype=np.int64)

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which of the answers there are: `(n,)`, all of them."""
        return np.ones(len(self), dtype=bool)

    @property
    def inputs_each(self) -> int:
        """The most inputs to a model that one example has."""
        return 1

    @property
    def told(self) -> dict[str, Any]:
        """What a model's configuration says of such examples."""
        return {}

    def subset(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> Self:
        """Return the examples at `indices`, in that order; the hash stays that of the whole."""
        chosen = np.asarray(indices, dtype=np.intp)
        return replace(
            self,
            token_ids=tuple(self.token_ids[i] for i in chosen),
            labels=self.labels[chosen],
            type_ids=None if self.type_ids is None else tuple(self.type_ids[i] for i in chosen),
            cut=0,
        )

    def take(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> Self:
        """Return the labelled examples at `indices`, each with all of its inputs."""
        return self.subset(indices)

    def batches(
        self, *, batch_size: int, device: torch.device | str = "cpu", order: NDArray[np.integer[Any]] | None = None
    ) -> Iterator[dict[str, Tensor]]:
        """Yield padded model inputs with their labels; shortest first unless an `order` `(n,)` is given."""
        places = np.argsort(self.lengths, kind="stable") if order is None else order
        for start in range(0, len(places), batch_size):
            yield {k: v.to(device) for k, v in self._batch(places[start : start + batch_size]).items()}

    def _batch(self, places: NDArray[np.integer[Any]]) -> dict[str, Tensor]:
        width = int(self.lengths[places].max())
        ids = np.full((len(places), width), self.pad_id, dtype=np.int64)
        mask = np.zeros((len(places), width), dtype=np.int64)
        types = np.zeros((len(places), width), dtype=np.int64)
        for row, place in enumerate(places):
            length = self.lengths[place]
            ids[row, :length] = self.token_ids[place]
            mask[row, :length] = 1
            if self.type_ids is not None:
                types[row, :length] = self.type_ids[place]
        batch = {"input_ids": ids, "attention_mask": mask}
        if self.type_ids is not None:
            batch["token_type_ids"] = types
        return {name: torch.from_numpy(values) for name, values in batch.items()} | self._labels(places)

    def _labels(self, places: NDArray[np.integer[Any]]) -> dict[str, Tensor]:
        return {"labels": torch.from_numpy(self.labels[places])}


AnyExamples = Examples | ImageExamples
SomeExamples = TypeVar("SomeExamples", bound=Examples)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """A tokenizer, and the most tokens of an example."""

    tokenizer: Any  # Any: one class per family
    max_length: int

    def examples(self, table: Table, labels: NDArray[Any], role: str) -> Examples:
        """Return the examples of a table of one or two texts each, with labels as the model numbers them."""
        return tokenise(
            self.tokenizer, table.texts, labels, role=role, digest=table_hash(table), max_length=self.max_length
        )


def regrouped(inputs: Examples, kind: type[SomeExamples], **more: Any) -> SomeExamples:
    """Return inputs as examples of another class, with its fields."""
    return kind(**{each.name: getattr(inputs, each.name) for each in fields(inputs)} | more)


def tokenise(
    tokenizer: Any,  # Any: one class per family
    texts: Sequence[tuple[str, ...]],
    labels: NDArray[Any],
    *,
    role: str,
    digest: str,
    max_length: int,
) -> Examples:
    """Return the examples of one or two texts each, cut to `max_length` tokens."""
    cut = 0
    ids: list[NDArray[np.int64]] = []
    types: list[NDArray[np.int64]] = []
    for start in range(0, len(texts), TOKENISED_AT_ONCE):
        some = texts[start : start + TOKENISED_AT_ONCE]
        columns = [[row[i] for row in some] for i in range(len(some[0]))]
        encoded = tokenizer(*columns, truncation=True, max_length=max_length)
        ids += [np.array(row, dtype=np.int64) for row in encoded["input_ids"]]
        cut += _count_longer(tokenizer, columns, encoded["input_ids"], max_length)
        types += [np.array(row, dtype=np.int64) for row in encoded.get("token_type_ids", ())]
    return Examples(
        role=role,
        token_ids=tuple(ids),
        labels=labels,
        hash=digest,
        pad_id=int(tokenizer.pad_token_id or 0),
        type_ids=tuple(types) or None,
        cut=cut,
    )


def _count_longer(tokenizer: Any, columns: list[list[str]], ids: Sequence[Sequence[int]], max_length: int) -> int:
    """Return how many of the texts have more than `max_length` tokens; only those that fill it can."""
    full = [row for row, tokens in enumerate(ids) if len(tokens) == max_length]
    if not full:
        return 0
    whole = tokenizer(*[[column[row] for row in full] for column in columns], truncation=False, verbose=False)
    return sum(len(tokens) > max_length for tokens in whole["input_ids"])
