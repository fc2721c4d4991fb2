"""The proposer: ladder, then sampler, then refinement; never a config twice.

`propose` is a pure function of the spec and the finished candidates in order, so a killed study resumes as
if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from optimizer.samplers.protocol import Sampler, Told
from optimizer.search.refine import Refiner
from optimizer.search.space import SearchSpace
from search_spaces.config import Config
from studies.records import Candidate, Origin, Proposal

REFINE_SHARE = 3  # a third of the candidates is left for refinement
PATIENCE = 20  # duplicates in a row that end the sampler's stage


class Proposer(Protocol):
    """Decides what is evaluated next."""

    def propose(self, history: Sequence[Candidate]) -> Proposal | None:
        """Return the next proposal given all finished candidates in order, or None when there is nothing left."""

    @property
    def exhausted(self) -> str:
        """Why there is nothing left, once there is not."""


class StagedProposer:
    """Ladder (`seeds`), sampler and refinement, in this order."""

    def __init__(
        self,
        space: SearchSpace,
        *,
        seeds: Sequence[Proposal],
        trials: int,
        make_sampler: Callable[[], Sampler],
        worth: Callable[[Candidate], Told | None],
        refiner: Refiner | None,
    ) -> None:
        self._space, self._make_sampler, self._worth, self._refiner = space, make_sampler, worth, refiner
        self._ladder = seeds
        self._refine_from = trials - trials // REFINE_SHARE if refiner else trials

    def propose(self, history: Sequence[Candidate]) -> Proposal | None:
        """Return the next proposal; a stage with nothing new passes to the next stage."""
        number = len(history)
        if number < len(self._ladder):
            return self._ladder[number]
        has_refined = any(candidate.proposal.origin is Origin.REFINE for candidate in history)
        if number < self._refine_from and not has_refined:
            return self._sample(history) or self._refine(history)
        return self._refine(history) or self._sample(history)

    @property
    def exhausted(self) -> str:
        """Why there is nothing left."""
        return "neither sampler nor refinement found a config within the limits that is new"

    def _refine(self, history: Sequence[Candidate]) -> Proposal | None:
        return self._refiner.propose(history) if self._refiner else None

    def _sample(self, history: Sequence[Candidate]) -> Proposal | None:
        sampler = self._make_sampler()
        known: dict[Config, Told | None] = {self._space.dense: None}
        for candidate in history:
            known[candidate.config] = told = self._worth(candidate)
            if told is not None:
                sampler.tell(told)
        for attempt in range(PATIENCE):
            point = sampler.ask(len(history), attempt)
            config = self._space.at_point(point)
            if config not in known:
                return Proposal(config=config, origin=Origin.SAMPLER, coordinates=point)
            stored = known[config]
            if stored is not None:
                sampler.tell(Told(number=len(history), point=point, losses=stored.losses, violations=stored.violations))
        return None
