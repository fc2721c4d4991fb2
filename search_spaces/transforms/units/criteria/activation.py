"""Activation: units whose outputs are large matter most."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from search_spaces.groups import Group
from search_spaces.layouts.entries import per_unit
from search_spaces.transforms.units.criteria.evidence import Evidence, by_score


@dataclass(frozen=True, slots=True)
class Activation:
    """Second moment of a unit's output times the squared norm of the weights that read it (Sun et al. 2023, eq. 1)."""

    name: str = "activation"

    def rank(self, group: Group, evidence: Evidence) -> Tensor:
        """Return units by descending weighted activation."""
        moments = evidence.moments(group)
        power = moments.covariance.diagonal() + moments.mean.square()
        reading = evidence.consumer_weight(group).square().sum(dim=0)
        return by_score(per_unit(power * reading, group.units))
