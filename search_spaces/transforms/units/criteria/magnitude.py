"""Magnitude: units with small weights matter least (Han et al. 2015; the criterion of Smarts et al. 2025, step 1).

For channels that is the norm of their filters (Li et al. 2017).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from search_spaces.groups import Group
from search_spaces.transforms.units.evidence import Evidence, by_score


@dataclass(frozen=True, slots=True)
class Magnitude:
    """Sum of |w|^order over the weights of a unit, in all layers that count."""

    order: int

    @property
    def name(self) -> str:
        """Name with the order of the norm."""
        return f"magnitude-l{self.order}"

    def rank(self, group: Group, evidence: Evidence) -> Tensor:
        """Return units by descending norm."""
        norms = [weight.abs().pow(self.order).sum(dim=1) for weight in evidence.weights(group)]
        return by_score(torch.stack(norms).sum(dim=0))
