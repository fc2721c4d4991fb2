"""Structured optimal brain surgeon: repeatedly remove the unit whose loss the others compensate best.

With inputs of covariance C and weights W, removing the columns U of a unit and re-solving the others by least squares
raises the squared error of the layer's output by tr(W_U (C⁻¹_UU)⁻¹ W_Uᵀ) (Hassibi & Stork 1993, eq. 5, for a block;
Kurtić et al. 2023, ZipLM, eq. 3). Outputs count by how much the model's answers or its loss feel them, by ranking
LᵀW in the place of W (L Lᵀ their metric), so that an error which changes nothing costs nothing and the readers of a
unit can be added up. Narrow units are removed some at a time between updates: their order inside such a small batch
decides nothing, and a blocked update costs a fraction of one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from search_spaces.groups import Group
from search_spaces.transforms.units.damping import DAMPING, factorised
from search_spaces.transforms.units.evidence import Evidence, Reader

ROWS = 512  # of an inverse that are updated at a time: two of them are in memory, and no more


@dataclass(frozen=True, slots=True)
class OptimalBrainSurgeon:
    """Blocked structured OBS; `share` of the narrow units go between two updates, of all or of the `remaining` ones."""

    share: float = 1 / 64
    remaining: bool = False

    @property
    def name(self) -> str:
        """Name with its settings."""
        return f"obs-{self.share:.5f}-{DAMPING}"

    def rank(self, group: Group, evidence: Evidence) -> Tensor:
        """Return the units in reverse order of their removal."""
        rests = [_Rest.of(reader) for reader in evidence.readers(group)]
        is_narrow = all(rest.size == 1 for rest in rests)
        alive = torch.ones(group.units, dtype=torch.bool)
        removed: list[Tensor] = []
        while left := int(alive.sum()):
            losses = sum((rest.losses(group.units) for rest in rests), torch.zeros(group.units, dtype=torch.float64))
            order = losses.masked_fill(~alive, torch.inf).argsort(stable=True)[:left]
            batch = max(1, round((left if self.remaining else group.units) * self.share)) if is_narrow else 1
            goes = order[:batch]
            alive[goes] = False
            removed.append(goes)
            rests = [rest.without(~alive) for rest in rests] if alive.any() else []
        return torch.cat(removed).flip(0)


@dataclass(frozen=True, slots=True)
class _Rest:
    """What is left of a reader: its re-solved columns, the inverse covariance, the unit of each channel."""

    columns: Tensor
    inverse: Tensor
    owner: Tensor
    size: int

    @classmethod
    def of(cls, reader: Reader) -> _Rest:
        inverse = torch.linalg.inv(factorised(reader.covariance)[0])
        return cls(reader.columns.to(inverse.dtype), inverse, reader.owner, reader.size)

    def losses(self, units: int) -> Tensor:
        """Return the squared error that removing each unit costs: `(units,)`."""
        losses = torch.zeros(units, dtype=torch.float64)
        return losses.index_add_(0, self.owner[:: self.size].cpu(), self._losses().double().cpu())

    def without(self, gone: Tensor) -> _Rest:
        """Return the rest, re-solved without the units `gone` `(units,)`."""
        lost = gone.to(self.owner.device)[self.owner]
        goes, stays = lost.nonzero().flatten(), (~lost).nonzero().flatten()
        across = torch.linalg.solve(self.inverse[goes][:, goes], self.inverse[goes][:, stays])
        inverse = self.inverse.new_empty(len(stays), len(stays))
        for start in range(0, len(stays), ROWS):
            some = self.inverse[stays[start : start + ROWS]]
            torch.sub(some[:, stays], some[:, goes] @ across, out=inverse[start : start + ROWS])
        columns = self.columns[:, stays] - self.columns[:, goes] @ across
        return _Rest(columns, inverse, self.owner[stays], self.size)

    def _losses(self) -> Tensor:
        if self.size == 1:
            return self.columns.square().sum(dim=0) / self.inverse.diagonal()
        units, size = self.columns.shape[1] // self.size, self.size
        blocks = self.inverse.reshape(units, size, units, size).diagonal(dim1=0, dim2=2).permute(2, 0, 1)
        columns = self.columns.T.reshape(units, size, -1)
        losses: Tensor = (columns * torch.linalg.solve(blocks, columns)).sum(dim=(1, 2))
        return losses
