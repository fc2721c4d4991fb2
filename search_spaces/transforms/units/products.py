"""Products: XᵀX is symmetric, so half of it need not be computed."""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 384  # columns: large enough for full speed


def add_products(total: Tensor, rows: Tensor) -> None:
    """Add XᵀX of `rows` X `(n, d)` to the upper blocks of `total` `(d, d)`, in place."""
    for start in range(0, len(total), BLOCK):
        total[start : start + BLOCK, start:].addmm_(rows[:, start : start + BLOCK].T, rows[:, start:])


def mirrored(total: Tensor) -> Tensor:
    """Return the whole of a sum of products: `(d, d)`."""
    return torch.triu(total) + torch.triu(total, diagonal=1).T
