"""The loop: propose, evaluate and store candidates until the budget is spent."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from optimizer.search.proposer import Proposer
from search_spaces.config import Config
from studies.records import Candidate, CandidateState, Origin, Outcome
from studies.store import StudyStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The budget of a search: candidates and seconds; `spent_s` are the seconds used before a resume."""

    trials: int
    timeout_s: float | None = None
    spent_s: float = 0.0

    def has_trials(self, candidates: int) -> bool:
        """Whether another candidate may follow this many."""
        return candidates < self.trials

    def has_time(self, elapsed_s: float) -> bool:
        """Whether the next candidate may begin after this many seconds of this run."""
        return self.timeout_s is None or self.spent_s + elapsed_s < self.timeout_s


@dataclass(frozen=True, slots=True)
class Searched:
    """All candidates in order, and why the search ended before its last trial; None if every trial was used."""

    candidates: Sequence[Candidate]
    ended: str | None = None


def search(
    *,
    study_id: int,
    store: StudyStore,
    proposer: Proposer,
    evaluate: Callable[[Config, Sequence[Candidate]], Outcome],
    budget: Budget,
    on_finished: Callable[[Candidate], None],
    clock: Callable[[], float] = time.monotonic,
) -> Searched:
    """Evaluate proposals until the budget is spent or the proposer is exhausted; `evaluate` sees the known candidates.

    Every finished candidate is stored before the next one is proposed, so a kill costs at most the candidate in flight.
    A candidate that an earlier run left in flight is finished first; one that was being recovered is left to recovery.
    """
    started = clock()
    known = [c for c in store.candidates(study_id) if not (_in_flight(c) and c.proposal.origin is Origin.RECOVER)]
    for candidate in filter(_in_flight, tuple(known)):
        finished = store.finish_candidate(candidate.id, evaluate(candidate.config, known))
        known[known.index(candidate)] = finished
        on_finished(finished)
    while budget.has_trials(len(known)):
        if not budget.has_time(clock() - started):
            return Searched(known, f"{_short(known, budget)}: the timeout of {budget.timeout_s:g} s was reached")
        proposal = proposer.propose(known)
        if proposal is None:
            return Searched(known, f"{_short(known, budget)}: {proposer.exhausted}")
        candidate = store.start_candidate(study_id, proposal)
        finished = store.finish_candidate(candidate.id, evaluate(proposal.config, known))
        known.append(finished)
        on_finished(finished)
    return Searched(known)


def _in_flight(candidate: Candidate) -> bool:
    return candidate.state is CandidateState.RUNNING


def _short(candidates: Sequence[Candidate], budget: Budget) -> str:
    return f"the search ended after {len(candidates)} of {budget.trials} trials"
