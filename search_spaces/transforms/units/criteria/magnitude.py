"""Magnitude: units with small weights matter least (Han et al. 2015; the criterion of Smarts et al. 2025, step 1)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from search_spaces.groups import Group
from search_spaces.layouts.entries import per_unit
from search_spaces.transforms.units.criteria.evidence import Evidence, by_score


@dataclass(frozen=True, slots=True)
class Magnitude:
    """Sum of |w|^order over all weights of a unit, rows of its producers and columns of its consumer alike."""

    order: int

    @property
    def name(self) -> str:
        """Name with the order of the norm."""
        return f"magnitude-l{self.order}"

    def rank(self, group: Group, evidence: Evidence) -> Tensor:
        """Return units by descending norm."""
        weights = [*evidence.producer_weights(group), evidence.consumer_weight(group).T]
        norms = [per_unit(weight.abs().pow(self.order).sum(dim=1), group.units) for weight in weights]
        return by_score(sum(norms[1:], norms[0]))
