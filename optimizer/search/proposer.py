"""The proposer: what the user gives, ladder, sampler, then refinement; never a config twice.

`propose` is a pure function of the spec, the finished candidates in order and what is pending, so a killed study
resumes as if nothing had happened. Nobody waits for a generation: what is pending is not proposed again, and every
sampler makes of it what its rule says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from optimizer.samplers.protocol import Sampler, Told
from optimizer.search.ledger import Finished, Follower, Pending
from optimizer.search.refine import Refiner
from optimizer.search.space import SearchSpace
from optimizer.search.steps import Step
from optimizer.search.window import Window
from search_spaces.config import Config
from studies.records import Candidate, Origin, Proposal

REFINE_SHARE = 3  # a third of the candidates is left for refinement
PATIENCE = 20  # duplicates in a row that end the sampler's stage


class Proposer(Protocol):
    """Decides what is evaluated next."""

    def propose(self, finished: Sequence[Candidate], pending: Sequence[Step] = ()) -> Step | None:
        """Return the next proposal, or neighbours of which the closest is to be the next one.

        `finished` are all finished candidates in the order of their numbers, `pending` what is being evaluated or
        screened. None: nothing is left, as long as none of what is pending ends otherwise than all before.
        """

    @property
    def exhausted(self) -> str:
        """Why there is nothing left, once there is not."""


class StagedProposer(Follower):
    """What is `given`, ladder (`seeds`, which begin with what is given), sampler and refinement, in this order."""

    def __init__(
        self,
        space: SearchSpace,
        *,
        seeds: Sequence[Proposal],
        given: Sequence[Proposal] = (),
        trials: int,
        make_sampler: Callable[[], Sampler],
        worth: Callable[[Candidate], Told | None],
        refiner: Refiner | None,
    ) -> None:
        super().__init__()
        self._space, self._make_sampler, self._worth, self._refiner = space, make_sampler, worth, refiner
        self._ladder, self._given = seeds, given
        self._refine_from = trials - trials // REFINE_SHARE if refiner else trials

    def propose(self, finished: Sequence[Candidate], pending: Sequence[Step] = ()) -> Step | None:
        """Return the next step; a stage with nothing new passes to the next stage."""
        finished, pending = Finished.of(finished), Pending.of(pending)
        self.follow(finished)
        number = len(finished) + len(pending)
        if self._given and (proposal := self._wanted(pending)):
            return proposal
        if number < len(self._ladder):
            return self._ladder[number]
        if number < self._refine_from and not self._has_refined and not pending.has_refined:
            return self._sample(number, pending) or self._refine(finished, pending)
        return self._refine(finished, pending) or self._sample(number, pending)

    @property
    def exhausted(self) -> str:
        """Why there is nothing left."""
        return "neither sampler nor refinement found a config within the limits that is new"

    def _wanted(self, pending: Pending) -> Proposal | None:
        """Return the first of what is given that is no candidate yet, not even one taken from another study."""
        return next((each for each in self._given if self._is_new(each.config, pending)), None)

    def _is_new(self, config: Config, pending: Pending) -> bool:
        return config not in self._known and config not in pending.configs

    def forget(self) -> None:
        """Begin without any candidate."""
        self._sampler = self._make_sampler()
        self._known: dict[Config, Told | None] = {}
        self._told = Window()
        self._has_refined = False

    def note(self, candidate: Candidate) -> None:
        """Take note of a finished candidate."""
        self._has_refined = self._has_refined or candidate.proposal.origin is Origin.REFINE
        self._known[candidate.config] = told = self._worth(candidate)
        if told is not None:
            self._told.add(told)

    def _refine(self, finished: Finished, pending: Pending) -> Step | None:
        return self._refiner.propose(finished, pending) if self._refiner else None

    def _sample(self, number: int, pending: Pending) -> Proposal | None:
        sampler = self._sampler
        expected = pending.points(self._space.dimensions)  # an earlier version may have begun in another space
        sampler.recall(self._told.latest, forgotten=self._told.forgotten, expected=expected)
        for attempt in range(PATIENCE):
            point = sampler.ask(number, attempt)
            config = self._space.at_point(point)
            if config != self._space.dense and self._is_new(config, pending):
                return Proposal(config=config, origin=Origin.SAMPLER, coordinates=point)
            stored = None if config in pending.configs else self._known.get(config)
            if stored is not None:
                sampler.tell(Told(number=number, point=point, losses=stored.losses, violations=stored.violations))
        return None
