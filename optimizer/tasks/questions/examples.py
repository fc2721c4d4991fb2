"""Examples of questions: every question with the windows in which its context is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from optimizer.tasks.questions.references import ABSENT
from optimizer.tasks.questions.windows import IntArray, Read, read_windows
from optimizer.tasks.texts.examples import Encoder, Examples
from optimizer.tasks.texts.table import Table, table_hash

NOWHERE = -1
NO_TARGETS = np.zeros((0, 2), dtype=np.int64)
NOTHING = 0  # the first token of every window stands for "no answer here"


@dataclass(frozen=True)
class QuestionExamples(Examples):
    """Questions with the texts that answer them as `labels` `(n,)`: tuples of texts, () for "no answer".

    `windows` are those of all questions, labelled `(windows, 2)` with the first and the last token of the answer;
    `members` are those of each question, at most `most`. `spans` are the characters of a window's tokens in the
    question's context. `may_refuse`: "no answer" is an answer.
    """

    windows: Examples = field(kw_only=True)
    members: tuple[range, ...] = field(kw_only=True)
    most: int = field(kw_only=True)
    spans: tuple[IntArray, ...] = field(kw_only=True)
    contexts: tuple[str, ...] = field(kw_only=True)
    may_refuse: bool = field(kw_only=True)

    def __len__(self) -> int:
        """The number of questions."""
        return len(self.members)

    @cached_property
    def lengths(self) -> IntArray:
        """Tokens of each question's longest window: `(n,)`."""
        return np.array([self.windows.lengths[members].max() for members in self.members], dtype=np.int64)

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which tokens an answer may begin or end with: `(n, windows, tokens)`."""
        return np.asarray(self._places(np.arange(len(self)), tokens=0) != NOWHERE)

    @property
    def inputs_each(self) -> int:
        """The most windows of a question."""
        return self.most

    @property
    def told(self) -> dict[str, Any]:
        """Whether "no answer" is an answer."""
        return {"handle_impossible_answer": self.may_refuse}

    def subset(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> Self:
        """Return the questions at `indices`, in that order; the hash stays that of the whole."""
        chosen = np.asarray(indices, dtype=np.intp)
        return replace(
            self,
            labels=self.labels[chosen],
            members=tuple(self.members[i] for i in chosen),
            contexts=tuple(self.contexts[i] for i in chosen),
            cut=0,
        )

    def text(self, question: int, window: int, first: int, last: int) -> str:
        """Return the part of a question's context from the first to the last of some tokens of one of its windows."""
        spans = self.spans[self.members[question][window]]
        return self.contexts[question][spans[first, 0] : spans[last, 1]].strip()

    def _batch(self, places: NDArray[np.integer[Any]]) -> dict[str, Tensor]:
        """Return the windows of some questions, and where their answers may begin and end."""
        batch = self.windows._batch(np.concatenate([self.members[place] for place in places]))
        return batch | {"places": torch.from_numpy(self._places(places, tokens=batch["input_ids"].shape[1]))}

    def _places(self, questions: NDArray[np.integer[Any]], *, tokens: int) -> IntArray:
        """Return places among all tokens of the questions' windows, `tokens` each: `(n, windows, tokens)`, or -1."""
        places = np.full((len(questions), self.most, int(self.windows.lengths.max())), NOWHERE, dtype=np.int64)
        before = 0
        for row, question in enumerate(questions):
            for window, member in enumerate(self.members[question]):
                may = [NOTHING, *np.flatnonzero(self.spans[member][:, 0] != ABSENT)]
                places[row, window, may] = before + np.array(may)
                before += tokens
        return places


def question_examples(encoder: Encoder, table: Table, role: str, *, may_refuse: bool) -> QuestionExamples:
    """Return the examples of a table of questions and contexts, with the characters `(n, answers, 2)` as labels."""
    found = list(read_windows(encoder, table.texts))
    windows = [window for read in found for window in read.windows]
    ends = np.cumsum([len(read.windows) for read in found])
    members = tuple(range(end - len(read.windows), end) for end, read in zip(ends, found, strict=True))
    digest, types = table_hash(table), tuple(window.types for window in windows if window.types is not None)
    return QuestionExamples(
        role=role,
        token_ids=tuple(window.ids for window in windows),
        labels=np.fromiter(map(_texts, table.texts, table.labels), dtype=object, count=len(table)),
        hash=digest,
        cut=sum(read.is_cut for read in found),
        windows=Examples(
            role=role,
            token_ids=tuple(window.ids for window in windows),
            labels=np.concatenate([NO_TARGETS, *map(_targets, found, table.labels[:, 0])]),
            hash=digest,
            pad_id=int(encoder.tokenizer.pad_token_id or 0),
            type_ids=types or None,
        ),
        members=members,
        most=max(map(len, members), default=1),
        spans=tuple(window.spans for window in windows),
        contexts=tuple(context for _, context in table.texts),
        may_refuse=may_refuse,
    )


def _texts(texts: tuple[str, ...], spans: IntArray) -> tuple[str, ...]:
    _, context = texts
    return tuple(context[start:end] for start, end in spans if start != ABSENT)


def _targets(read: Read, span: IntArray) -> IntArray:
    """Return the first and the last token of an answer in every window: `(windows, 2)`, 0 where it is not in one."""
    targets = np.full((len(read.windows), 2), NOTHING, dtype=np.int64)
    tokens = [window.answer(*span) for window in read.windows] if span[0] != ABSENT else []
    whole = max(map(len, tokens), default=0)
    for row, found in enumerate(tokens):
        if whole and len(found) == whole:
            targets[row] = found[[0, -1]]
    return targets
