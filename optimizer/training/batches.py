"""Batches for training: in random order or short texts first, with little padding, as a batch has similar lengths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from optimizer.tasks.texts.examples import AnyExamples
from optimizer.training.cutting import in_batches

BLOCK = 50  # batches sorted by length together: little padding, and still nearly random
SPREAD = 3.0  # tokens by which texts may change places: batches of one length alone would be too uniform


class Batches(Protocol):
    """An order of the examples in batches."""

    def __call__(
        self, train: AnyExamples, *, batch_size: int, rng: np.random.Generator, device: torch.device
    ) -> Iterator[dict[str, Tensor]]:
        """Yield every example once, in batches of `batch_size`, the last one smaller or by one larger."""


def shuffled_batches(
    train: AnyExamples, *, batch_size: int, rng: np.random.Generator, device: torch.device
) -> Iterator[dict[str, Tensor]]:
    """Yield every example once: blocks of random examples, by length inside a block, batches in random order."""
    order = rng.permutation(len(train))
    batches = [
        batch
        for block in in_batches(order, batch_size * BLOCK)
        for batch in in_batches(block[np.argsort(train.lengths[block], kind="stable")], batch_size)
    ]
    for index in rng.permutation(len(batches)):
        yield from train.batches(batch_size=len(batches[index]), device=device, order=batches[index])


def batches_short_first(
    train: AnyExamples, *, batch_size: int, rng: np.random.Generator, device: torch.device
) -> Iterator[dict[str, Tensor]]:
    """Yield every example once, ordered by length up to random shifts of about `SPREAD` tokens."""
    order = np.argsort(train.lengths + rng.normal(0, SPREAD, len(train)), kind="stable")
    for batch in in_batches(order, batch_size):
        yield from train.batches(batch_size=len(batch), device=device, order=batch)
