"""The split: two thin layers in the place of one, whose outputs differ least where the answers depend on them.

With W the weight, S the second moments of its inputs and G = F Fᵀ those of the gradients by its outputs, the product of
rank r that minimises E‖Fᵀ (W − AB) x‖² is F⁻ᵀ U Uᵀ Fᵀ W, where U are the r leading directions of Fᵀ W S Wᵀ F: the
truncated singular value decomposition of Fᵀ W L with S = L Lᵀ, which needs no inverse of L (Eckart & Young 1936). The
products of all ranks are nested, so one decomposition serves every level. Plain decomposition takes S = G = 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from search_spaces.transforms.units.damping import factorised


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
        """Return the outer `(rows, rank)` and the inner weight `(rank, columns)`, tensors of their own.

        They are of about one norm: gradients are small, so what weighs outputs by them would make one factor thousands
        of times as large as the other, whose weights a step of training would then overwrite.
        """
        outer, inner = self.outer[:, :rank], self.inner[:rank]
        balance = _power_of_two(torch.sqrt(inner.norm() / outer.norm()))
        whole = torch.contiguous_format
        return (outer * balance).clone(memory_format=whole), (inner / balance).clone(memory_format=whole)


def split_by_inputs(weight: Tensor, inputs: Tensor, felt: Tensor | None = None) -> Split:
    """Return the split of least error on inputs of these second moments `(columns, columns)`.

    `felt` `(rows, rows)` are those of the gradients by what it writes; without them every error counts alike.
    """
    factor, seen = _factor(weight, felt), inputs.double()
    exact = factor.T @ weight.double()
    if len(exact) <= exact.shape[1]:
        return _along(_leading(exact @ seen @ exact.T), factor, exact, weight)
    across, upright = torch.linalg.qr(exact)  # no more directions than there are inputs
    return _along(across @ _leading(upright @ seen @ upright.T), factor, exact, weight)


def split_by_outputs(weight: Tensor, outputs: Tensor, felt: Tensor | None = None) -> Split:
    """Return the split of least error where the weight writes outputs of these second moments `(rows, rows)`."""
    factor = _factor(weight, felt)
    return _along(_leading(factor.T @ outputs.double() @ factor), factor, factor.T @ weight.double(), weight)


def plain_split(weight: Tensor) -> Split:
    """Return the split of least error of the weights themselves."""
    return split_by_inputs(weight, torch.eye(weight.shape[1]).to(weight))


def _factor(weight: Tensor, felt: Tensor | None) -> Tensor:
    """Return the lower factor F of the moments of the gradients: `(rows, rows)`."""
    if felt is None:
        return torch.eye(len(weight), dtype=torch.float64, device=weight.device)
    return factorised(felt)[1]


def _along(directions: Tensor, factor: Tensor, exact: Tensor, weight: Tensor) -> Split:
    """Return the split of a weight along directions of `exact`, the factor times the weight."""
    outer = torch.linalg.solve_triangular(factor.T, directions, upper=True)
    return Split(outer.to(weight), (directions.T @ exact).to(weight))


def _leading(moments: Tensor) -> Tensor:
    """Return the directions of a symmetric matrix as columns, the most important first."""
    directions: Tensor = torch.linalg.eigh(moments).eigenvectors
    return directions.flip(1)


def _power_of_two(value: Tensor) -> float:
    """Return the nearest power of two, by which floats are multiplied exactly; 1 where the value is 0 or infinite."""
    return float(2 ** torch.log2(value).round()) if value > 0 and torch.isfinite(value) else 1.0
