"""Solved rounding: each column's error is made up for by the columns that are rounded after it.

With S the second moments of what a layer reads, an error E of its weight costs tr(E S Eᵀ). Rounding column j and moving
the columns behind by the row j of the Cholesky factor of S⁻¹ is least, given what was rounded before (optimal brain
surgeon; Frantar et al. 2022, GPTQ). Rows are solved apart from each other.
"""

from __future__ import annotations

import torch
from torch import Tensor

from search_spaces.layouts.modeling_pruned import block_of
from search_spaces.layouts.stored import Stored
from search_spaces.transforms.bits.rounding import coded, scales_of
from search_spaces.transforms.units.damping import factorised

AT_ONCE = 128  # columns after which the columns behind them are moved, all at once


def solved(weight: Tensor, moments: Tensor, bits: int) -> Stored:
    """Return a weight `(rows, columns)` in 8 or 4 bits for inputs of these second moments `(columns, columns)`.

    Raises `ValueError` for moments that hold NaN or infinity.
    """
    columns, left = weight.shape[1], weight.float().clone()
    block = block_of(bits, columns)
    behind = _behind(moments).to(left)
    codes, scales = torch.empty_like(left), []
    for first in range(0, columns, AT_ONCE):
        errors = torch.empty_like(left[:, first : first + AT_ONCE])
        last = first + errors.shape[1]
        for column in range(first, last):
            if column % block == 0:
                scales.append(scales_of(left[:, column : column + block], bits))
            scale = scales[-1][:, 0]
            codes[:, column] = coded(left[:, column], scale, bits)
            error = (left[:, column] - codes[:, column] * scale) / behind[column, column]
            left[:, column:last] -= torch.outer(error, behind[column, column:last])
            errors[:, column - first] = error
        left[:, last:] -= errors @ behind[first:last, last:]
    return Stored(bits=bits, codes=codes.to(torch.int8), scales=torch.cat(scales, dim=1), block=block)


def _behind(moments: Tensor) -> Tensor:
    """Return the upper Cholesky factor of the inverse of the damped moments, float64."""
    _, factor, _ = factorised(moments)
    inverse = torch.cholesky_inverse(factor)
    found: Tensor = torch.linalg.cholesky(inverse, upper=True)
    return found
