"""Random order: the control that every other criterion has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import torch
from torch import Tensor

from search_spaces.groups import Group
from search_spaces.transforms.units.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Shuffled:
    """A permutation drawn from the seed and the group's name, so that it is the same in every process."""

    seed: int

    @property
    def name(self) -> str:
        """Name with the seed."""
        return f"random-{self.seed}"

    def rank(self, group: Group, evidence: Evidence) -> Tensor:  # noqa: ARG002 - chance looks at nothing
        """Return a random permutation."""
        generator = torch.Generator().manual_seed(crc32(f"{self.seed}/{group.name}".encode()))
        return torch.randperm(group.units, generator=generator)
