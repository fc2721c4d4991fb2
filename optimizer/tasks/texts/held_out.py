"""Held out: examples of train that verify a head trained here, cut by source.

A phrase of a held-out sentence would teach the head its answer. So only texts that no other contains are held out, and
what they contain leaves train with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from optimizer.tasks.texts.splits import HELD_OUT, divide, normal
from optimizer.tasks.texts.table import Table

LEAST = 3  # sources of which one may be held out
_START = 4  # words by which long texts are looked up

Words = tuple[str, ...]


def held_out(train: Table, wanted: int, *, one_in: int = LEAST) -> tuple[Table, Table] | None:
    """Return examples to verify on, at most `wanted`, and what is left to learn from; neither contains the other.

    At most one in so many sources is held out. None where train has fewer than `HELD_OUT` texts that no other contains,
    or holds groups of texts.
    """
    if train.documents is not None or train.shared is not None or len(train) < HELD_OUT:
        return None
    words = [_words(texts) for texts in train.texts]
    found = _Found(words)
    within = found.within(range(len(words)))
    sources = np.array([place for place in range(len(words)) if place not in within])
    if len(sources) < HELD_OUT:
        return None
    held, _ = divide(train.take(sources), min(wanted, len(sources) // one_in), "held out")
    chosen = {normal(texts) for texts in held.texts}
    places = [place for place in sources.tolist() if normal(train.texts[place]) in chosen]
    gone = found.within(places) | {*places}
    return held, train.take(np.array([place for place in range(len(words)) if place not in gone], dtype=np.intp))


def _words(texts: Sequence[str]) -> Words:
    return tuple(word for text in normal(tuple(texts)) for word in ("\n", *text.split()))[1:]


class _Found:
    """Texts that are found in others by their words."""

    def __init__(self, words: Sequence[Words]) -> None:
        self._words = words
        self._starting: dict[Words, list[int]] = {}
        for place, text in enumerate(words):
            self._starting.setdefault(text[:_START], []).append(place)

    def within(self, places: Iterable[int]) -> set[int]:
        """Return the places of all texts that one of those at `places` contains, but for itself."""
        return {inner for place in places for inner in self._inside(self._words[place]) if inner != place}

    def _inside(self, text: Words) -> Iterable[int]:
        for at in range(len(text)):
            for size in range(1, min(_START, len(text) - at) + 1):
                for inner in self._starting.get(text[at : at + size], ()):
                    own = self._words[inner]
                    if len(own) == size or (size == _START and own == text[at : at + len(own)]):
                        yield inner
