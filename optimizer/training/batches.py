"""Batches for training: in random order but with little padding, since a batch contains texts of similar length."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from optimizer.training.cutting import in_batches
from optimizer.workloads.examples import AnyExamples

BLOCK = 50  # batches sorted by length together: little padding, and still nearly random


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
