"""Answers: the functions of the logits that are differentiated to rank units, shared by all families."""

from __future__ import annotations

import torch
from scipy.linalg import helmert
from torch import Tensor, nn

from search_spaces.transforms.units.bank.passes import Batch


def summed_loss(model: nn.Module, batch: Batch) -> Tensor:
    """Return the loss of a batch summed over its examples: cross-entropy, or squared error for one output."""
    logits = _logits(model, batch)
    if logits.shape[1] == 1:
        return torch.nn.functional.mse_loss(logits[:, 0], batch["labels"].to(logits.dtype), reduction="sum")
    return torch.nn.functional.cross_entropy(logits, batch["labels"], reduction="sum")


def contrasts(model: nn.Module, batch: Batch) -> Tensor:
    """Return orthonormal contrasts of the logits `(batch, classes - 1)`, or a regression's one output.

    A softmax ignores the common part of all logits; contrasts leave it out of the gradients.
    """
    logits = _logits(model, batch)
    classes = logits.shape[1]
    return logits if classes == 1 else logits @ torch.from_numpy(helmert(classes)).to(logits).T


def _logits(model: nn.Module, batch: Batch) -> Tensor:
    logits: Tensor = model(**{name: value for name, value in batch.items() if name != "labels"}).logits
    return logits
