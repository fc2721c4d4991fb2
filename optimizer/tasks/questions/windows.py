"""Windows: a question with as much of its context as fits, and again with what follows, overlapping."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import InputError
from optimizer.tasks.questions.references import ABSENT
from optimizer.tasks.texts.examples import TOKENISED_AT_ONCE, Encoder

LEAST_ROOM = 8  # tokens of a question and of a part of its context
OVERLAP = 3  # a third of the longest length is read twice, as the usual 128 of 384 tokens
MOST_WINDOWS = 16  # of one context
IntArray = NDArray[np.int64]


class Window(NamedTuple):
    """The tokens of a question and a part of its context.

    `spans` `(tokens, 2)` are the characters of the context that each token stands for, -1 for tokens of other parts.
    """

    ids: IntArray
    types: IntArray | None
    spans: IntArray

    def answer(self, start: int, end: int) -> IntArray:
        """Return the tokens that have any of the context's characters from `start` to before `end`: `(k,)`."""
        return np.flatnonzero((self.spans[:, 1] > start) & (self.spans[:, 0] < end) & (self.spans[:, 0] != ABSENT))


class Read(NamedTuple):
    """The windows of a question; `is_cut` where a part of the question or its context is in none of them."""

    windows: tuple[Window, ...]
    is_cut: bool


def read_windows(encoder: Encoder, pairs: Sequence[tuple[str, ...]]) -> Iterator[Read]:
    """Yield the windows of every question with its context.

    Raises `InputError` for a length with too little room, and for a tokenizer that cannot place its tokens.
    """
    room = (encoder.max_length - encoder.tokenizer.num_special_tokens_to_add(pair=True)) // 2
    if room < LEAST_ROOM:
        raise InputError("max_length", f"{encoder.max_length} tokens are too few for a question and its context")
    if not encoder.tokenizer.is_fast:
        name = type(encoder.tokenizer).__name__
        raise InputError("model", f"its {name} does not place its tokens in a text; save a fast tokenizer there")
    for start in range(0, len(pairs), TOKENISED_AT_ONCE):
        questions, contexts = zip(*pairs[start : start + TOKENISED_AT_ONCE], strict=True)
        short = _shortened(encoder.tokenizer, questions, room)
        found = _tokenised(encoder, short, contexts)
        for question, whole, windows in zip(short, questions, found, strict=True):
            yield Read(tuple(windows[:MOST_WINDOWS]), question != whole or len(windows) > MOST_WINDOWS)


def _shortened(tokenizer: Any, questions: Sequence[str], room: int) -> list[str]:
    """Return the questions, each up to its token number `room`."""
    encoded = tokenizer(list(questions), add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    offsets = encoded["offset_mapping"]
    return [
        question if len(places) <= room else question[: places[room - 1][1]]
        for question, places in zip(questions, offsets, strict=True)
    ]


def _tokenised(encoder: Encoder, questions: Sequence[str], contexts: Sequence[str]) -> list[list[Window]]:
    encoded = encoder.tokenizer(
        list(questions),
        list(contexts),
        truncation="only_second",
        max_length=encoder.max_length,
        stride=encoder.max_length // OVERLAP,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    found: list[list[Window]] = [[] for _ in questions]
    types = encoded.get("token_type_ids")
    for row, question in enumerate(encoded["overflow_to_sample_mapping"]):
        spans = np.array(encoded["offset_mapping"][row], dtype=np.int64)
        spans[[part != 1 for part in encoded.sequence_ids(row)]] = ABSENT
        ids = np.array(encoded["input_ids"][row], dtype=np.int64)
        found[question].append(Window(ids, None if types is None else np.array(types[row], dtype=np.int64), spans))
    return found
