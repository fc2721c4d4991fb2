"""Units and the rows or columns they own."""

from __future__ import annotations

import torch
from torch import Tensor


def columns_of(units: Tensor, unit_size: int) -> Tensor:
    """Return the row or column indices of units: `(k,)` -> `(k * unit_size,)`."""
    return (units[:, None] * unit_size + torch.arange(unit_size, device=units.device)).flatten()


def per_unit(values: Tensor, units: int) -> Tensor:
    """Sum the entries of each unit: `(units * unit_size,)` -> `(units,)`."""
    return values.reshape(units, -1).sum(dim=1)
