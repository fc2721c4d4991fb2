"""The proposer: what the user gives, ladder, sampler, then refinement; never a config twice.

`propose` is a pure function of the spec, the finished candidates in order and what is pending, so a killed study
resumes as if nothing had happened. Nobody waits for a generation: what is pending is not proposed again, and every
sampler makes of it what its rule says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from optimizer.samplers.protocol import Sampler, Told
from optimizer.search.refine import Refiner, Step, configs_of
from optimizer.search.space import SearchSpace
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


class StagedProposer:
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
        self._space, self._make_sampler, self._worth, self._refiner = space, make_sampler, worth, refiner
        self._ladder, self._given = seeds, given
        self._refine_from = trials - trials // REFINE_SHARE if refiner else trials

    def propose(self, finished: Sequence[Candidate], pending: Sequence[Step] = ()) -> Step | None:
        """Return the next step; a stage with nothing new passes to the next stage."""
        number = len(finished) + len(pending)
        if self._given and (proposal := self._wanted(finished, pending)):
            return proposal
        if number < len(self._ladder):
            return self._ladder[number]
        proposals = (*(candidate.proposal for candidate in finished), *pending)
        has_refined = any(step.origin is Origin.REFINE for step in proposals)
        if number < self._refine_from and not has_refined:
            return self._sample(finished, pending) or self._refine(finished, pending)
        return self._refine(finished, pending) or self._sample(finished, pending)

    @property
    def exhausted(self) -> str:
        """Why there is nothing left."""
        return "neither sampler nor refinement found a config within the limits that is new"

    def _wanted(self, finished: Sequence[Candidate], pending: Sequence[Step]) -> Proposal | None:
        """Return the first of what is given that is no candidate yet, not even one taken from another study."""
        known = {candidate.config for candidate in finished}.union(*map(configs_of, pending))
        return next((proposal for proposal in self._given if proposal.config not in known), None)

    def _refine(self, finished: Sequence[Candidate], pending: Sequence[Step]) -> Step | None:
        return self._refiner.propose(finished, pending) if self._refiner else None

    def _sample(self, finished: Sequence[Candidate], pending: Sequence[Step]) -> Proposal | None:
        sampler, number = self._make_sampler(), len(finished) + len(pending)
        known: dict[Config, Told | None] = {self._space.dense: None}
        for candidate in finished:
            known[candidate.config] = told = self._worth(candidate)
            if told is not None:
                sampler.tell(told)
        for step in pending:
            known.update(dict.fromkeys(configs_of(step)))
            if isinstance(step, Proposal) and step.coordinates is not None:
                self._expect(sampler, step.coordinates)
        for attempt in range(PATIENCE):
            point = sampler.ask(number, attempt)
            config = self._space.at_point(point)
            if config not in known:
                return Proposal(config=config, origin=Origin.SAMPLER, coordinates=point)
            stored = known[config]
            if stored is not None:
                sampler.tell(Told(number=number, point=point, losses=stored.losses, violations=stored.violations))
        return None

    def _expect(self, sampler: Sampler, point: tuple[float, ...]) -> None:
        if len(point) == self._space.dimensions:  # an earlier version may have begun the study in another space
            sampler.expect(point)
