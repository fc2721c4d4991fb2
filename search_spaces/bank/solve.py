"""The solve: a consumer's weights for the units that are kept, by least squares against the dense layer's outputs.

For inputs x of mean μ and covariance C, minimising E|W x + b − W' x_S − b'|² gives W' = W C_{·S} C_{SS}⁻¹ and
b' = b + W μ − W' μ_S (normal equations; the damping of the ranking is added to C_{SS}). With no unit left W' is empty
and b' the mean output of the block, which keeps the layers above in their accustomed range.
"""

from __future__ import annotations

import torch
from torch import Tensor

from search_spaces.criteria.evidence import Moments
from search_spaces.damping import factorised


def reconstruct(weight: Tensor, bias: Tensor, moments: Moments, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Return weight `(out, k)` and bias `(out,)` for the kept `columns` `(k,)` of a dense `(out, d)` layer."""
    mean = moments.mean.to(weight.dtype)
    if len(columns) == 0:
        return weight[:, :0].clone(), bias + weight @ mean
    covariance, factor, _ = factorised(moments.covariance, columns)
    across = weight.double() @ covariance[:, columns]  # the damping keeps the solution near the dense weights
    solved = torch.cholesky_solve(across.T, factor).T.to(weight.dtype)
    return solved, bias + weight @ mean - solved @ mean[columns]
