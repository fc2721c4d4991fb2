"""Damping: what is added to the diagonal of moments so that they can be inverted, more of it where it takes more.

Few or equal calibration examples leave variances that are nothing but rounding, some of them negative. Much damping
keeps a solution near the dense weights, so what such moments cannot tell stays as it was.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from search_spaces.finite import is_finite
from search_spaces.transforms.entries import write_entry

DAMPING = 1e-2  # of the mean variance; keeps C invertible when tokens are few or neurons are dead
MARK = ".damping.safetensors"


def damped(matrix: Tensor, share: float = DAMPING) -> Tensor:
    """Return the matrix in float64 with a `share` of its mean diagonal added to the diagonal: `(d, d)`.

    More than `DAMPING` is a share of the matrix's norm, which rounding cannot make vanish.
    """
    exact = matrix.to(torch.float64, copy=True)
    scale = exact.diagonal().mean().clamp_min(torch.finfo(torch.float32).tiny)
    if share > DAMPING:
        scale = torch.maximum(scale, exact.norm() / len(exact) ** 0.5)
    exact.diagonal().add_(share * scale)
    return exact


def factorised(matrix: Tensor, kept: Tensor | None = None) -> tuple[Tensor, Tensor, float]:
    """Return the damped matrix `(d, d)`, the Cholesky factor of its `kept` rows and columns, and the share it took.

    The share is `DAMPING`, or the first ten-fold of it that makes them positive definite. Raises `ValueError` for
    moments that hold NaN or infinity.
    """
    if not is_finite(matrix):
        raise ValueError("the moments of the calibration examples hold NaN or infinity; the model is broken")
    share = DAMPING
    moments = damped(matrix)
    factor, failed = torch.linalg.cholesky_ex(_part(moments, kept))
    while failed:
        share *= 10
        moments = damped(matrix, share)
        _, failed = torch.linalg.cholesky_ex(_part(damped(matrix, share / 2), kept))  # well off the edge
        factor = torch.linalg.cholesky_ex(_part(moments, kept)).L
    return moments, factor, share


def _part(matrix: Tensor, kept: Tensor | None) -> Tensor:
    return matrix if kept is None else matrix[kept[:, None], kept]


def mark_strained(folder: Path, name: str, covariance: Tensor) -> None:
    """Leave a mark in a bank where moments take more damping than usual, for this study and all that reuse them."""
    share = factorised(covariance)[2]
    if share > DAMPING:
        write_entry(folder / f"{name}{MARK}", {"share": torch.tensor(share)})


def strained_in(folder: Path) -> tuple[str, ...]:
    """Return the names that are marked in a bank's folder."""
    return tuple(sorted(path.name.removesuffix(MARK) for path in folder.glob(f"*{MARK}")))
