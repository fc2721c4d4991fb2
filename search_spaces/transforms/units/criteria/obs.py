"""Structured optimal brain surgeon: repeatedly remove the unit whose loss the others compensate best.

With inputs of covariance C and weights W, removing the columns U of a unit and re-solving the others by least squares
raises the squared error of the layer's output by tr(W_U (C⁻¹_UU)⁻¹ W_Uᵀ) (Hassibi & Stork 1993, eq. 5, for a block;
Kurtić et al. 2023, ZipLM, eq. 3). Errors are taken in the metric G of the answers' curvature, G = L Lᵀ, by ranking LᵀW
in the place of W: an error of the output that changes no answer costs nothing. Narrow units are removed some at a time
between updates: their order inside such a small batch decides nothing, and a blocked update costs a fraction of one by
one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from search_spaces.groups import Group
from search_spaces.layouts.entries import columns_of
from search_spaces.transforms.units.criteria.evidence import Evidence
from search_spaces.transforms.units.damping import DAMPING, factorised


@dataclass(frozen=True, slots=True)
class OptimalBrainSurgeon:
    """Blocked structured OBS; `share` of the remaining narrow units go between two updates."""

    share: float = 1 / 64

    @property
    def name(self) -> str:
        """Name with its settings."""
        return f"obs-{self.share:.5f}-{DAMPING}"

    def rank(self, group: Group, evidence: Evidence) -> Tensor:
        """Return the units in reverse order of their removal."""
        moments = evidence.moments(group)
        inverse = torch.linalg.inv(factorised(moments.covariance)[0])
        felt = factorised(moments.curvature)[1].T
        weight = felt @ evidence.consumer_weight(group).to(inverse.dtype)
        removed: list[Tensor] = []
        alive = torch.arange(group.units, device=weight.device)
        batch = 1 if group.unit_size > 1 else max(1, round(group.units * self.share))
        while len(alive) > batch:
            losses = _losses(weight, inverse, group.unit_size)
            order = losses.argsort(stable=True)
            goes, stays = order[:batch], order[batch:].sort().values
            weight, inverse = _eliminate(
                weight, inverse, columns_of(goes, group.unit_size), columns_of(stays, group.unit_size)
            )
            removed.append(alive[goes])
            alive = alive[stays]
        removed.append(alive[_losses(weight, inverse, group.unit_size).argsort(stable=True)])
        return torch.cat(removed).flip(0)


def _losses(weight: Tensor, inverse: Tensor, size: int) -> Tensor:
    """Return the squared error that removing each remaining unit costs: `(remaining units,)`."""
    if size == 1:
        return weight.square().sum(dim=0) / inverse.diagonal()
    units = weight.shape[1] // size
    blocks = inverse.reshape(units, size, units, size).diagonal(dim1=0, dim2=2).permute(2, 0, 1)  # (units, size, size)
    columns = weight.T.reshape(units, size, -1)
    losses: Tensor = (columns * torch.linalg.solve(blocks, columns)).sum(dim=(1, 2))
    return losses


def _eliminate(weight: Tensor, inverse: Tensor, goes: Tensor, stays: Tensor) -> tuple[Tensor, Tensor]:
    """Return weight and inverse covariance of the units that stay, re-solved without those that go."""
    across = torch.linalg.solve(inverse[goes][:, goes], inverse[goes][:, stays])
    return (
        weight[:, stays] - weight[:, goes] @ across,
        inverse[stays][:, stays] - inverse[stays][:, goes] @ across,
    )
