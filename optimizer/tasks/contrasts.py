"""Contrasts of classes: a softmax ignores the common part of all logits, so no gradient is taken of it."""

from __future__ import annotations

import torch
from scipy.linalg import helmert
from torch import Tensor


def class_contrasts(logits: Tensor) -> Tensor:
    """Return orthonormal contrasts of logits: `(…, classes)` -> `(…, classes - 1)`."""
    return logits @ torch.from_numpy(helmert(logits.shape[-1])).to(logits).T
