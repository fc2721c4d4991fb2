"""Refinement: local search in the raw layer space, steered by the divergence of the model's answers.

From a member of the front, neighbours of no greater cost are ordered by what the sensitivity tables predict, the most
promising few are asked for their divergence (no labels, a short pass), and the best of them is proposed.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Callable, Sequence

from optimizer.search.growing import GrowingFront
from optimizer.search.ledger import Finished, Follower, Pending
from optimizer.search.space import ALLOWANCES, Space
from optimizer.search.steps import Neighbours, Step
from search_spaces.config import Config
from studies.records import Candidate, Origin

SCREENED = 3  # neighbours asked for their divergence per proposal
MOST_VIOLATING = 500  # candidates of the least violating half


class Refiner(Follower):
    """Proposes neighbours of front members. What it proposes is a pure function of its arguments.

    The cheapest members come first, or with `seeks_accuracy` those with the smallest drops.
    """

    def __init__(self, space: Space, *, is_feasible: Callable[[Candidate], bool], seeks_accuracy: bool = False) -> None:
        super().__init__()
        self._space, self._is_feasible = space, is_feasible
        self._first = self._drop if seeks_accuracy else self._cost

    def propose(self, finished: Sequence[Candidate], pending: Sequence[Step] = ()) -> Neighbours | None:
        """Return the neighbours to choose from, or None when no parent has an untried one.

        What is pending counts as tried, and its parents as used.
        """
        pending = Pending.of(pending)
        self.follow(Finished.of(finished))
        parents = self._parents(pending)
        for turn in range(len(ALLOWANCES)):  # few parents: each may have neighbours under another allowance alone
            for step, parent in enumerate(parents, start=len(finished) + len(pending) + turn):
                promising = self._promising_neighbours(parent.config, pending, step)
                if promising:
                    return Neighbours(promising, parent.number)
        return None

    def forget(self) -> None:
        """Begin without any candidate."""
        self._tried = {self._space.dense}
        self._uses = Counter[int | None]()
        self._front = GrowingFront[Candidate](_number)
        self._by_drop: list[Candidate] = []  # while none is feasible

    def note(self, candidate: Candidate) -> None:
        """Take note of a finished candidate."""
        self._tried.add(candidate.config)
        if candidate.proposal.origin is Origin.REFINE:
            self._uses[candidate.proposal.parent] += 1
        if self._is_feasible(candidate):
            self._front.add(candidate, (self._drop(candidate), *self._costs(candidate)))
        elif not self._front.members and candidate.outcome is not None and candidate.outcome.drop is not None:
            insort(self._by_drop, candidate, key=lambda each: (self._drop(each), each.number))

    def _promising_neighbours(self, config: Config, pending: Pending, turn: int) -> tuple[Config, ...]:
        found = (self._space.merged(move.config) for move in self._space.moves(config, turn))
        untried = (each for each in found if each not in self._tried and each not in pending.configs)
        fresh = (each for each in untried if self._space.within_limits(each))
        return tuple(neighbour for neighbour, _ in zip(fresh, range(SCREENED), strict=False))

    def _parents(self, pending: Pending) -> list[Candidate]:
        """Return the promising candidates, those that were a parent least often first."""

        def rank(candidate: Candidate) -> tuple[int, float, int]:
            number = candidate.number
            return self._uses[number] + pending.parents[number], self._first(candidate), number

        return sorted(self._promising, key=rank)

    @property
    def _promising(self) -> Sequence[Candidate]:
        """The front of the feasible candidates, or the least violating half where none is feasible."""
        return self._front.members or self._by_drop[: max(1, min(MOST_VIOLATING, len(self._by_drop) // 2))]

    def _costs(self, candidate: Candidate) -> list[float]:
        return [self._space.costs[name].ratio(candidate.config) for name in self._space.steering]

    def _cost(self, candidate: Candidate) -> float:
        return self._space.costs[self._space.yardstick].ratio(candidate.config)

    @staticmethod
    def _drop(candidate: Candidate) -> float:
        if candidate.outcome is None or candidate.outcome.drop is None:
            raise ValueError(f"candidate {candidate.number} has no drop")
        return candidate.outcome.drop


def _number(candidate: Candidate) -> int:
    return candidate.number
