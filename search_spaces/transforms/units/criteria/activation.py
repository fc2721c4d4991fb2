"""Activation: units whose outputs are large matter most."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from search_spaces.groups import Group
from search_spaces.transforms.units.evidence import Evidence, by_score


@dataclass(frozen=True, slots=True)
class Activation:
    """Second moment of a unit's output times the squared norm of the weights that read it (Sun et al. 2023, eq. 1)."""

    name: str = "activation"

    def rank(self, group: Group, evidence: Evidence) -> Tensor:
        """Return units by descending weighted activation, summed over their readers."""
        return by_score(weighted_activations(group, evidence))


def weighted_activations(group: Group, evidence: Evidence) -> Tensor:
    """Return how much of its readers' outputs each unit carries: float32 `(units,)`."""
    scores = torch.zeros(group.units)
    for reader in evidence.readers(group):
        power = reader.covariance.diagonal() + reader.mean.square()
        scores.index_add_(0, reader.owner.cpu(), (power * reader.norms).float().cpu())
    return scores
