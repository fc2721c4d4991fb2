"""The solve: a reader's weights for the channels that are kept, by least squares against the dense layer's outputs.

At every position the removed inputs are predicted from the kept ones, x_R ≈ A x_K + c, A = C_RK (C_KK + damping)⁻¹
over inputs of covariance C (normal equations), and every tap of the reader takes their weights over: W'_K = W_K + W_R
A. The constant adds W_R c, summed over taps, to the outputs: the bias takes it, or the mean of the batch norm behind.
Where neither is there, moments about zero leave no constant. At zero-padded borders the constant is approximate. With
no unit left W' is empty and the constant the mean output of the block, which keeps the layers above in their
accustomed range.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from search_spaces.transforms.units.damping import factorised
from search_spaces.transforms.units.evidence import Reading
from search_spaces.transforms.units.taps import as_weight, read_weight


def refit(
    layer: nn.Module, reading: Reading, columns: Tensor, *, taps: int = 1, takes_shift: bool = True
) -> tuple[Tensor, Tensor | None]:
    """Return the weight of `layer` for the input `columns` that stay, ascending, and what its outputs shift by.

    `taps` inputs make one channel. The shift `(out,)` is None where nothing can take it.
    """
    weight = read_weight(layer, taps).to(reading.mean.device)
    stays = torch.zeros(weight.shape[1], dtype=torch.bool, device=weight.device)
    stays[columns.to(weight.device) // taps] = True
    kept, removed = stays.nonzero().flatten(), (~stays).nonzero().flatten()
    across = predicted(reading.covariance if takes_shift else reading.raw, kept, removed).to(weight.dtype)
    lost = weight[:, removed]
    solved = as_weight(weight[:, kept] + torch.einsum("ort,rk->okt", lost, across), layer)
    if not takes_shift:
        return solved, None
    mean = reading.mean.to(weight.dtype)
    return solved, lost.sum(dim=2) @ (mean[removed] - across @ mean[kept])


def predicted(covariance: Tensor, kept: Tensor, removed: Tensor) -> Tensor:
    """Return A, which predicts the `removed` inputs `(r,)` from the `kept` ones `(k,)`: float64 `(r, k)`."""
    if not len(kept):
        return covariance.new_zeros(len(removed), 0, dtype=torch.float64)
    moments, factor, _ = factorised(covariance, kept)
    return torch.cholesky_solve(moments[kept][:, removed], factor).T
