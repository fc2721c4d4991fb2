"""The split: two thin layers in the place of one, whose outputs differ least from what it writes.

With W the weight and S the second moments of its inputs, the product of rank r that minimises E‖(W − AB) x‖² is
U Uᵀ W, where U are the r leading directions of the outputs' second moments W S Wᵀ: the truncated singular value
decomposition of W L with S = L Lᵀ, which needs no inverse of L (Eckart & Young 1936). The products of all ranks are
nested, so one decomposition serves every level. Plain decomposition takes S = 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Split:
    """A weight `(rows, columns)` as a product: of rank r, r columns of `outer` times r rows of `inner`."""

    outer: Tensor
    inner: Tensor

    @property
    def nbytes(self) -> int:
        """The memory that it takes."""
        return self.outer.nbytes + self.inner.nbytes

    def at(self, rank: int) -> tuple[Tensor, Tensor]:
        """Return the outer `(rows, rank)` and the inner weight `(rank, columns)`, tensors of their own."""
        whole = torch.contiguous_format
        return self.outer[:, :rank].clone(memory_format=whole), self.inner[:rank].clone(memory_format=whole)


def split_by_inputs(weight: Tensor, inputs: Tensor) -> Split:
    """Return the split of least error on inputs of these second moments `(columns, columns)`."""
    exact, seen = weight.double(), inputs.double()
    if len(exact) <= exact.shape[1]:
        return split_by_outputs(weight, exact @ seen @ exact.T)
    across, upright = torch.linalg.qr(exact)  # no more directions than there are inputs
    return _along(across @ _leading(upright @ seen @ upright.T), weight)


def split_by_outputs(weight: Tensor, outputs: Tensor) -> Split:
    """Return the split of least error where the weight writes outputs of these second moments `(rows, rows)`."""
    return _along(_leading(outputs.double()), weight)


def plain_split(weight: Tensor) -> Split:
    """Return the split of least error of the weights themselves."""
    return split_by_inputs(weight, torch.eye(weight.shape[1]).to(weight))


def _along(directions: Tensor, weight: Tensor) -> Split:
    return Split(directions.to(weight), (directions.T @ weight.double()).to(weight))


def _leading(moments: Tensor) -> Tensor:
    """Return the directions of a symmetric matrix as columns, the most important first."""
    directions: Tensor = torch.linalg.eigh(moments).eigenvectors
    return directions.flip(1)
