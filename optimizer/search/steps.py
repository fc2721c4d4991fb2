"""Steps: what a proposer puts forward, a config or neighbours of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from search_spaces.config import Config
from studies.records import Origin, Proposal


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Neighbours of a parent, the most promising first, of which the one that diverges least is to be proposed."""

    configs: tuple[Config, ...]
    parent: int  # a candidate's number

    origin = Origin.REFINE

    def closest(self, divergences: Sequence[float]) -> Proposal:
        """Return the proposal, given the divergence of each; of equals the first is taken."""
        least = min(range(len(self.configs)), key=divergences.__getitem__)
        return Proposal(config=self.configs[least], origin=self.origin, parent=self.parent)


Step = Proposal | Neighbours


def configs_of(step: Step) -> tuple[Config, ...]:
    """Return all configs that a step may propose."""
    return step.configs if isinstance(step, Neighbours) else (step.config,)
