"""Answering: a text classifier with its tokenizer as one module that takes texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from objectives.device import device_of

Text = str | Sequence[str]  # one text, or the two of a pair
BATCH = 32


class TextModel(nn.Module):
    """A text classifier `net` of transformers that tokenises for itself; texts are cut to `max_length` tokens.

    `names` are the label names by id; None for scores.
    """

    def __init__(self, net: Any, tokenizer: Any, *, max_length: int, names: Mapping[int, str] | None) -> None:
        super().__init__()
        self.net, self.tokenizer, self.max_length, self.names = net, tokenizer, max_length, names

    def forward(self, texts: Sequence[Text] | str | None = None, **inputs: torch.Tensor) -> Any:  # Any: transformers
        """Return the logits `(n, outputs)` of texts or pairs of texts; of token tensors, what `net` returns."""
        if texts is None:
            return self.net(**inputs)
        return self.net(**self._encoded([texts] if isinstance(texts, str) else list(texts))).logits

    def _encoded(self, rows: list[Text]) -> Any:
        """Return the token tensors of texts, or of pairs of texts."""
        columns = [rows] if isinstance(rows[0], str) else [list(column) for column in zip(*rows, strict=True)]
        encoded = self.tokenizer(
            *columns, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt"
        )
        return encoded.to(device_of(self))

    def predict(self, texts: Sequence[Text]) -> list[str] | list[float]:
        """Return the label of each text by its name; the score of each text for a regression."""
        logits = self.outputs(texts)
        if self.names is None:
            return [float(score) for score in logits[:, 0]]
        return [self.names[int(index)] for index in logits.argmax(axis=1)]

    def predict_proba(self, texts: Sequence[Text]) -> NDArray[np.float32]:
        """Return the probability of each label, in the order of their ids: `(n, labels)`."""
        return torch.from_numpy(self.outputs(texts)).softmax(dim=1).numpy()

    def outputs(self, texts: Sequence[Text]) -> NDArray[np.float32]:
        """Return the logits `(n, outputs)`, computed in batches."""
        with torch.inference_mode():
            parts = [self(texts[start : start + BATCH]).float().cpu() for start in range(0, len(texts), BATCH)]
        return torch.cat(parts).numpy()


class LabelsModel(TextModel):
    """A multi-label classifier with its tokenizer."""

    def predict(self, texts: Sequence[Text]) -> list[list[str]]:  # type: ignore[override]
        """Return the labels of each text that are likelier than not, by name."""
        names = self.names or {}
        return [[names[int(index)] for index in np.flatnonzero(row > 0)] for row in self.outputs(texts)]

    def predict_proba(self, texts: Sequence[Text]) -> NDArray[np.float32]:
        """Return the probability that each label applies: `(n, labels)`."""
        return torch.from_numpy(self.outputs(texts)).sigmoid().numpy()


class EmbeddingModel(TextModel):
    """An embedder with its tokenizer."""

    def predict(self, texts: Sequence[Text]) -> NDArray[np.float32]:  # type: ignore[override]
        """Return the embedding of each text: `(n, width)`."""
        return self.outputs(texts)


class TagModel(TextModel):
    """A token classifier with its tokenizer; a text is a list of words."""

    def predict(self, texts: Sequence[Sequence[str]]) -> list[list[str]]:  # type: ignore[override]
        """Return the tag of every word, by its first token; words that were cut off have none."""
        return [tags for start in range(0, len(texts), BATCH) for tags in self._tags(texts[start : start + BATCH])]

    def _tags(self, texts: Sequence[Sequence[str]]) -> list[list[str]]:
        encoded, names = self._encoded(list(texts)), self.names or {}
        with torch.inference_mode():
            ids = self.net(**encoded).logits.argmax(dim=2).tolist()
        found = []
        for row, tokens in enumerate(ids):
            first = {word: token for token, word in reversed([*enumerate(encoded.word_ids(row))]) if word is not None}
            found.append([names[tokens[first[word]]] for word in sorted(first)])
        return found

    def _encoded(self, rows: list[Any]) -> Any:
        """Return the token tensors of lists of words."""
        words = [list(row) for row in rows]
        encoded = self.tokenizer(
            words,
            is_split_into_words=True,
            padding=True,
            truncation=True,
            max_length=self.max_length,
            return_tensors="pt",
        )
        return encoded.to(device_of(self))
