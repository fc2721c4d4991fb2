"""Batches for training: in random order and yet with little padding: a batch holds texts of similar length."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from optimizer.workloads.examples import AnyExamples

BLOCK = 50  # batches sorted by length together: little padding, and still nearly random


def shuffled_batches(
    train: AnyExamples, *, batch_size: int, rng: np.random.Generator, device: torch.device
) -> Iterator[dict[str, Tensor]]:
    """Yield every example once: blocks of random examples, by length inside a block, batches in random order."""
    order = rng.permutation(len(train))
    batches = []
    for start in range(0, len(order), batch_size * BLOCK):
        block = order[start : start + batch_size * BLOCK]
        block = block[np.argsort(train.lengths[block], kind="stable")]
        batches += [block[i : i + batch_size] for i in range(0, len(block), batch_size)]
    for index in rng.permutation(len(batches)):
        yield from train.batches(batch_size=batch_size, device=device, order=batches[index])
