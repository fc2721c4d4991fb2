"""Orders of training: at random or short texts first, with little padding, as a batch has similar lengths."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from optimizer.tasks.cutting import in_batches

BLOCK = 50  # batches sorted by length together: little padding, and still nearly random
WINDOW = 8  # the same where short texts come first
SPREAD = 3.0  # tokens by which texts may change places: batches of one length alone would be too uniform
Lengths = NDArray[np.integer[Any]]
Places = NDArray[np.integer[Any]]  # of the examples of one batch: `(batch,)`


class Order(Protocol):
    """An order of the examples in batches."""

    def __call__(self, lengths: Lengths, /, *, size: int, rng: np.random.Generator) -> list[Places]:
        """Return every place of `lengths` `(n,)` once, in batches of `size`, the last one smaller or by one larger."""


def shuffled(lengths: Lengths, /, *, size: int, rng: np.random.Generator) -> list[Places]:
    """Return blocks of random examples, by length inside a block, their batches in random order."""
    batches = [
        batch
        for block in in_batches(rng.permutation(len(lengths)), size * BLOCK)
        for batch in _by_length(block, lengths, size)
    ]
    return [batches[index] for index in rng.permutation(len(batches))]


def short_first(lengths: Lengths, /, *, size: int, rng: np.random.Generator) -> list[Places]:
    """Return the examples ordered by length up to random shifts of about `SPREAD` tokens.

    A window of some batches is sorted by length, then its batches come in random order.
    """
    rough = np.argsort(lengths + rng.normal(0, SPREAD, len(lengths)), kind="stable")
    windows = (_by_length(window, lengths, size) for window in in_batches(rough, size * WINDOW))
    return [batches[index] for batches in windows for index in rng.permutation(len(batches))]


def _by_length(places: Places, lengths: Lengths, size: int) -> list[Places]:
    return in_batches(places[np.argsort(lengths[places], kind="stable")], size)
