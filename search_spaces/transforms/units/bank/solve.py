"""The solve: a reader's weights for the units that are kept, by least squares against the dense layer's outputs.

The removed inputs are predicted from the kept ones, x_R ≈ A x_K + c, with A = C_RK (C_KK + damping)⁻¹ over inputs of
covariance C (normal equations), and their weights are taken over: W'_K = W_K + W_R A, b' = b + W_R c. With no unit left
W' is empty and b' the mean output of the block, which keeps the layers above in their accustomed range.
"""

from __future__ import annotations

import torch
from torch import Tensor

from search_spaces.transforms.units.criteria.evidence import Moments
from search_spaces.transforms.units.damping import factorised


def predicted(covariance: Tensor, kept: Tensor, removed: Tensor) -> Tensor:
    """Return A, which predicts the `removed` inputs `(r,)` from the `kept` ones `(k,)`: float64 `(r, k)`."""
    moments, factor, _ = factorised(covariance, kept)
    return torch.cholesky_solve(moments[kept][:, removed], factor).T


def reconstruct(weight: Tensor, bias: Tensor, moments: Moments, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Return weight `(out, k)` and bias `(out,)` of a dense `(out, d)` layer that keeps `columns` `(k,)`, ascending."""
    mean = moments.mean.to(weight.dtype)
    if len(columns) == 0:
        return weight[:, :0].clone(), bias + weight @ mean
    stays = torch.zeros(weight.shape[1], dtype=torch.bool, device=columns.device)
    stays[columns] = True
    removed = (~stays).nonzero().flatten()
    taken = weight[:, removed].double() @ predicted(moments.covariance, columns, removed)
    solved = (weight[:, columns].double() + taken).to(weight.dtype)
    return solved, bias + weight @ mean - solved @ mean[columns]
