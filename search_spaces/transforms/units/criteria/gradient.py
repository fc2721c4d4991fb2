"""Gradient criteria: how the loss answers to a mask on the unit.

Taylor (Molchanov et al. 2017; Michel et al. 2019) takes the mean |dL/dm|; Fisher (Kwon et al. 2022, eq. 9) the mean
(dL/dm)², the diagonal of the empirical Fisher information, here per example rather than per mini-batch.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from search_spaces.groups import Group
from search_spaces.transforms.units.evidence import Evidence, by_score


@dataclass(frozen=True, slots=True)
class Taylor:
    """First-order change of the loss when the unit is masked."""

    name: str = "taylor"

    def rank(self, group: Group, evidence: Evidence) -> Tensor:
        """Return units by descending mean absolute gradient."""
        return by_score(evidence.gradients(group).absolute)


@dataclass(frozen=True, slots=True)
class Fisher:
    """Second-order change of the loss when the unit is masked, off-diagonal terms left out."""

    name: str = "fisher"

    def rank(self, group: Group, evidence: Evidence) -> Tensor:
        """Return units by descending mean squared gradient."""
        return by_score(evidence.gradients(group).squared)
