"""Refinement: local search in the raw layer space, steered by the divergence of the model's answers.

From a member of the front, neighbours of no greater cost are ordered by what the sensitivity tables predict, the most
promising few are asked for their divergence (no labels, a short pass), and the best of them is proposed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.front import non_dominated
from optimizer.search.space import ALLOWANCES, Space
from search_spaces.config import Config
from studies.records import Candidate, Origin, Proposal

SCREENED = 3  # neighbours asked for their divergence per proposal


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


class Refiner:
    """Proposes neighbours of front members. A pure function of its arguments.

    The cheapest members come first, or with `seeks_accuracy` those with the smallest drops.
    """

    def __init__(self, space: Space, *, is_feasible: Callable[[Candidate], bool], seeks_accuracy: bool = False) -> None:
        self._space, self._is_feasible = space, is_feasible
        self._first = self._drop if seeks_accuracy else self._cost

    def propose(self, finished: Sequence[Candidate], pending: Sequence[Step] = ()) -> Neighbours | None:
        """Return the neighbours to choose from, or None when no parent has an untried one.

        What is pending counts as tried, and its parents as used.
        """
        tried = {self._space.dense, *(candidate.config for candidate in finished)}
        tried.update(config for step in pending for config in configs_of(step))
        parents = self._parents(finished, pending)
        for turn in range(len(ALLOWANCES)):  # few parents: each may have neighbours under another allowance alone
            for step, parent in enumerate(parents, start=len(finished) + len(pending) + turn):
                promising = self._promising_neighbours(parent.config, tried, step)
                if promising:
                    return Neighbours(promising, parent.number)
        return None

    def _promising_neighbours(self, config: Config, tried: set[Config], turn: int) -> tuple[Config, ...]:
        found = (self._space.merged(move.config) for move in self._space.moves(config, turn))
        fresh = (each for each in found if each not in tried and self._space.within_limits(each))
        return tuple(neighbour for neighbour, _ in zip(fresh, range(SCREENED), strict=False))

    def _parents(self, finished: Sequence[Candidate], pending: Sequence[Step]) -> list[Candidate]:
        """Return the promising candidates, those that were a parent least often first."""
        steps = (*(c.proposal for c in finished), *pending)
        uses = [step.parent for step in steps if step.origin is Origin.REFINE]
        return sorted(self._promising(finished), key=lambda c: (uses.count(c.number), self._first(c), c.number))

    def _promising(self, history: Sequence[Candidate]) -> list[Candidate]:
        """Return the front of the feasible candidates, or the least violating half where none is feasible."""
        feasible = [c for c in history if self._is_feasible(c)]
        if not feasible:
            seen = [c for c in history if c.outcome is not None and c.outcome.drop is not None]
            return sorted(seen, key=self._drop)[: max(1, len(seen) // 2)]
        losses = np.array([(self._drop(c), *self._costs(c)) for c in feasible])
        return [c for c, is_on_front in zip(feasible, non_dominated(losses), strict=True) if is_on_front]

    def _costs(self, candidate: Candidate) -> list[float]:
        return [self._space.costs[name].ratio(candidate.config) for name in self._space.steering]

    def _cost(self, candidate: Candidate) -> float:
        return self._space.costs[self._space.yardstick].ratio(candidate.config)

    @staticmethod
    def _drop(candidate: Candidate) -> float:
        if candidate.outcome is None or candidate.outcome.drop is None:
            raise ValueError(f"candidate {candidate.number} has no drop")
        return candidate.outcome.drop
