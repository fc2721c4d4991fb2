"""Answering: a pruned text model with its tokenizer as one module that takes texts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from objectives.device import device_of
from optimizer.errors import InputError
from optimizer.families.encoders.stock import stock_class
from optimizer.predict import predict
from optimizer.tasks.embeddings.embedder import Embedder
from optimizer.tasks.questions.answering import Answering
from optimizer.tasks.questions.examples import question_examples
from optimizer.tasks.questions.references import ABSENT
from optimizer.tasks.table import trained_head
from optimizer.tasks.texts.examples import Encoder
from optimizer.tasks.texts.table import Table
from search_spaces.layouts.requests import logits_of

Text = str | Sequence[str]  # one text, or the two of a pair
BATCH = 32


class TextModel(nn.Module):
    """A text model `net` of transformers that tokenises for itself; texts are cut to `max_length` tokens.

    `names` are the label names by id. Whatever takes texts raises `InputError` for a row that is none.
    """

    def __init__(self, net: Any, tokenizer: Any, *, max_length: int) -> None:  # Any: transformers is untyped
        super().__init__()
        self.net, self.tokenizer, self.max_length = net, tokenizer, max_length
        self.names: Mapping[int, str] = {int(i): name for i, name in net.config.id2label.items()}

    def forward(self, texts: Sequence[Text] | str | None = None, **inputs: torch.Tensor) -> Any:  # Any: transformers
        """Return the logits `(n, outputs)` of texts or pairs of texts; of token tensors, what `net` returns."""
        if texts is None:
            return self.net(**inputs)
        return logits_of(self.net(**self.encoded(_listed(texts))))

    def encoded(self, rows: list[Any]) -> Any:
        """Return the token tensors of texts, or of pairs of texts."""
        return self._tokens(*_columns(rows))

    def _tokens(self, *columns: list[Any], **more: bool) -> Any:
        encoded = self.tokenizer(
            *columns, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt", **more
        )
        return encoded.to(device_of(self))

    @abstractmethod
    def predict(self, texts: Sequence[Any]) -> Any:
        """Return the answer to each text."""

    def outputs(self, texts: Sequence[Text] | str) -> NDArray[np.float32]:
        """Return the logits `(n, outputs)`, computed in batches."""
        rows = _listed(texts)
        with torch.inference_mode():
            parts = [self(rows[start : start + BATCH]).float().cpu() for start in range(0, len(rows), BATCH)]
        return torch.cat(parts).numpy() if parts else self.outputs([""])[:0]


class ClassModel(TextModel):
    """A classifier with its tokenizer."""

    def predict(self, texts: Sequence[Text] | str) -> list[str]:
        """Return the label of each text by its name."""
        return [self.names[int(index)] for index in self.outputs(texts).argmax(axis=1)]

    def predict_proba(self, texts: Sequence[Text] | str) -> NDArray[np.float32]:
        """Return the probability of each label, in the order of their ids: `(n, labels)`."""
        return torch.from_numpy(self.outputs(texts)).softmax(dim=1).numpy()


class ScoreModel(TextModel):
    """A regression with its tokenizer."""

    def predict(self, texts: Sequence[Text] | str) -> list[float]:
        """Return the score of each text."""
        return [float(score) for score in self.outputs(texts)[:, 0]]


class LabelsModel(TextModel):
    """A multi-label classifier with its tokenizer."""

    def predict(self, texts: Sequence[Text] | str) -> list[list[str]]:
        """Return the labels of each text that are likelier than not, by name."""
        return [[self.names[int(index)] for index in np.flatnonzero(row > 0)] for row in self.outputs(texts)]

    def predict_proba(self, texts: Sequence[Text] | str) -> NDArray[np.float32]:
        """Return the probability that each label applies: `(n, labels)`."""
        return torch.from_numpy(self.outputs(texts)).sigmoid().numpy()


class EmbeddingModel(TextModel):
    """An embedder with its tokenizer."""

    def predict(self, texts: Sequence[Text] | str) -> NDArray[np.float32]:
        """Return the embedding of each text: `(n, width)`."""
        return self.outputs(texts)


class TagModel(TextModel):
    """A token classifier with its tokenizer; a text is a list of words."""

    def predict(self, texts: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return the tag of every word, by its first token; words that were cut off have none."""
        rows = list(texts)
        return [tags for start in range(0, len(rows), BATCH) for tags in self._tags(rows[start : start + BATCH])]

    def _tags(self, rows: list[Sequence[str]]) -> list[list[str]]:
        encoded = self.encoded(rows)
        with torch.inference_mode():
            ids = self.net(**encoded).logits.argmax(dim=2).tolist()
        found = []
        for row, tokens in enumerate(ids):
            first = {word: token for token, word in reversed([*enumerate(encoded.word_ids(row))]) if word is not None}
            found.append([self.names[tokens[first[word]]] for word in sorted(first)])
        return found

    def encoded(self, rows: list[Any]) -> Any:
        """Return the token tensors of lists of words."""
        return self._tokens([_words(row) for row in rows], is_split_into_words=True)


class AnswerModel(TextModel):
    """A model for questions with its tokenizer; a text is a pair of question and context."""

    def predict(self, texts: Sequence[Sequence[str]]) -> list[str]:
        """Return the part of the context that answers each question; "" where a model that may finds none.

        A context that is longer than `max_length` is read in windows that overlap.
        """
        rows = list(texts)
        if not rows:
            return []
        columns = _columns(rows)
        if len(columns) != 2:
            raise InputError("texts", "must be pairs of question and context")
        unanswered = np.full((len(rows), 1, 2), ABSENT)
        encoder = Encoder(tokenizer=self.tokenizer, max_length=self.max_length)
        may_refuse = bool(getattr(self.net.config, "handle_impossible_answer", False))
        asked = Table(tuple(zip(*columns, strict=True)), unanswered, ())
        examples = question_examples(encoder, asked, "asked", may_refuse=may_refuse)
        task = Answering()
        return list(task.predictions(predict(self.net, examples, task), examples))


HEADS: Mapping[str, type[TextModel]] = {
    "TokenClassification": TagModel,
    "SequenceClassification": ClassModel,
    "QuestionAnswering": AnswerModel,
}


def answering(net: Any, tokenizer: Any, *, max_length: int) -> TextModel:  # Any: transformers is untyped
    """Return a pruned text model with its tokenizer, as a model of what its head answers with."""
    return _kind(net)(net, tokenizer, max_length=max_length)


def _kind(net: Any) -> type[TextModel]:
    if isinstance(net, Embedder):
        return EmbeddingModel
    if net.config.problem_type == "multi_label_classification":
        return LabelsModel
    kind = HEADS[str(trained_head([stock_class(net)]))]
    return ScoreModel if kind is ClassModel and net.config.num_labels == 1 else kind


def _listed(texts: Sequence[Text] | str) -> list[Text]:
    return [texts] if isinstance(texts, str) else list(texts)


def _columns(rows: list[Any]) -> list[list[str]]:
    """Return a column of texts, or the two columns of pairs. Raises `InputError` for anything else."""
    parts = [_parts(row) for row in rows]
    if len({len(each) for each in parts}) != 1:
        raise InputError("texts", "must all be strings, or all be pairs of strings, at least one")
    return [list(column) for column in zip(*parts, strict=True)]


def _parts(row: Any) -> tuple[str, ...]:
    parts = (row,) if isinstance(row, str) else _sequence(row)
    if len(parts) not in (1, 2) or not all(isinstance(part, str) for part in parts):
        raise InputError("texts", f"must be strings, or pairs of strings, got {row!r:.80}")
    return parts


def _words(row: Any) -> list[str]:
    words = [] if isinstance(row, str) else list(_sequence(row))
    if not words or not all(isinstance(word, str) for word in words):
        raise InputError("texts", f"must be lists of words, got {row!r:.80}")
    return words


def _sequence(row: Any) -> tuple[Any, ...]:
    return tuple(row) if isinstance(row, Sequence | np.ndarray) else ()
