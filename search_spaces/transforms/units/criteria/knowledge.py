"""Knowledge: what the predictions and what the outputs of the next layer lose with a unit, in equal parts.

The two kinds are those of K-prune (Park, Choi & Kang 2024, https://arxiv.org/abs/2308.03449). Here the predictions' is
the Fisher information of the unit's mask and the outputs' the weighted activation, each relative to its mean in the
group. K-prune measures both again after every pruned layer; a ranking is made once, on the dense model.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from search_spaces.groups import Group
from search_spaces.transforms.units.criteria.activation import weighted_activations
from search_spaces.transforms.units.evidence import Evidence, by_score


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Fisher information and weighted activation, added up in shares of the group's mean."""

    name: str = "knowledge"

    def rank(self, group: Group, evidence: Evidence) -> Tensor:
        """Return units by descending knowledge."""
        kinds = (evidence.gradients(group).squared, weighted_activations(group, evidence))
        tiny = torch.finfo(torch.float32).tiny  # a group that nothing depends on has none of a kind
        shares = [kind.double() / kind.double().mean().clamp_min(tiny) for kind in kinds]
        return by_score(torch.stack(shares).sum(dim=0))
