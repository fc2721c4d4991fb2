"""The loop: propose, have evaluated and store candidates until the budget is spent.

An executor answers; this process alone writes the study. Nothing but the order in which answers arrive decides what is
proposed: with one worker that is the order of the proposals.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from optimizer.evaluation.rivals import Rivals
from optimizer.executors.executor import A, Evaluate, Evaluating, Executor, Question, Screen
from optimizer.faults import failed, is_candidates_own
from optimizer.search.ledger import Finished, Pending
from optimizer.search.proposer import Proposer
from optimizer.search.steps import Neighbours, Step
from studies.records import Candidate, CandidateState, Origin, Outcome, Proposal
from studies.store import StudyStore

WAIT_S = 1.0


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


class Search:
    """A search under way: what is finished, what waits for a worker, and what is in flight.

    `stored` are the study's candidates, where the caller has read them already.
    """

    def __init__(
        self,
        *,
        study_id: int,
        store: StudyStore,
        proposer: Proposer,
        executor: Executor[Evaluating],
        budget: Budget,
        on_finished: Callable[[Candidate], None],
        rivals: Rivals | None = None,
        on_wait: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        stored: Sequence[Candidate] | None = None,
    ) -> None:
        self._study_id, self._store, self._proposer, self._executor = study_id, store, proposer, executor
        self._budget, self._clock, self._started = budget, clock, clock()
        self._on_finished, self._on_wait = on_finished, on_wait
        stored = store.candidates(study_id) if stored is None else stored
        self._finished = Finished(c for c in stored if not _is_running(c))
        self._pending = Pending()
        self._waiting = deque(c for c in stored if _is_running(c) and c.proposal.origin is not Origin.RECOVER)
        self._evaluated: dict[Future[Outcome], Candidate] = {}
        self._screened: dict[Future[tuple[float, ...]], Neighbours] = {}
        self._answers = SimpleQueue[Future[Any]]()  # Any: one type per question
        self._attempts = Counter[int]()
        self._rivals = rivals or Rivals()
        self._present = self._rivals.among(self._finished)
        self._ended: str | None = None

    def run(self) -> Searched:
        """Evaluate proposals until the budget is spent or the proposer is exhausted; no worker waits meanwhile.

        Every finished candidate is stored before the next one is proposed, so a kill costs at most the candidates in
        flight. Those that an earlier run left in flight are finished first; one that was being recovered is left to
        recovery. A candidate whose worker dies is tried again, and has failed when that is of no use. `on_wait` is
        called every second in which no answer comes.
        """
        while True:
            while self._in_flight < self._executor.slots and self._begin():
                pass
            if not self._in_flight:
                return Searched(self._finished, self._ended)
            try:
                self._take_answer(self._answer())
            except Empty:
                self._on_wait()

    def _answer(self) -> Future[Any]:
        """Wait for the next answer. Raises `Empty` after a second without one."""
        return self._answers.get(timeout=WAIT_S)

    def _take_answer(self, answer: Future[Any]) -> None:
        if answer in self._screened:
            self._propose_closest(answer)
        else:
            self._keep(answer)

    @property
    def _in_flight(self) -> int:
        return len(self._evaluated) + len(self._screened)

    def _begin(self) -> bool:
        """Give the next question to a worker; False where there is none now."""
        if self._waiting:
            self._evaluate(self._waiting.popleft())
            return True
        self._ended = None
        if not self._budget.has_trials(len(self._finished) + self._in_flight):
            return False
        if not self._budget.has_time(self._clock() - self._started):
            self._ended = self._short(f"the timeout of {self._budget.timeout_s:g} s was reached")
            return False
        step = self._proposer.propose(self._finished, self._pending)
        if step is None:
            self._ended = self._short(self._proposer.exhausted)
            return False
        self._take(step)
        return True

    def _take(self, step: Step) -> None:
        """Have neighbours screened, and a proposal evaluated as the next candidate."""
        if isinstance(step, Proposal):
            self._evaluate(self._store.start_candidate(self._study_id, step))
        else:
            self._pending.screen(step)
            self._screened[self._asked(Screen(step.configs))] = step

    def _evaluate(self, candidate: Candidate) -> None:
        self._pending.evaluate(candidate.number, candidate.proposal)
        self._evaluated[self._asked(Evaluate(candidate.config, tuple(self._present)))] = candidate

    def _asked(self, question: Question[Evaluating, A]) -> Future[A]:
        asked = self._executor.submit(question)
        asked.add_done_callback(self._answers.put)
        return asked

    def _propose_closest(self, screened: Future[tuple[float, ...]]) -> None:
        """Evaluate the closest neighbour; where screening failed, the one that the tables predict to be it."""
        neighbours, error = self._screened.pop(screened), screened.exception()
        self._pending.screened(neighbours)
        if error is not None:
            self._raise_unless_own(error)
        self._take(neighbours.closest(screened.result() if error is None else range(len(neighbours.configs))))

    def _keep(self, evaluated: Future[Outcome]) -> None:
        """Store an outcome, or have the candidate evaluated again."""
        candidate = self._evaluated.pop(evaluated)
        self._pending.evaluated(candidate.number)
        outcome = self._outcome(evaluated, candidate)
        if outcome is None:
            self._waiting.append(candidate)
            return
        finished = self._store.finish_candidate(candidate.id, outcome)
        self._finished.add(finished)
        self._rivals.add(finished, self._present)
        self._on_finished(finished)

    def _outcome(self, evaluated: Future[Outcome], candidate: Candidate) -> Outcome | None:
        """Return the outcome of a candidate, None where another attempt may give one."""
        error = evaluated.exception()
        if error is None:
            return evaluated.result()
        self._raise_unless_own(error)
        self._attempts[candidate.id] += 1
        return failed(error, attempts=self._attempts[candidate.id])

    def _raise_unless_own(self, error: BaseException) -> None:
        has_worked = any(c.outcome is not None and c.outcome.drop is not None for c in self._finished)
        if not is_candidates_own(error, has_worked=has_worked):
            raise error

    def _short(self, why: str) -> str:
        begun = len(self._finished) + self._in_flight
        return f"the search ended after {begun} of {self._budget.trials} trials: {why}"


def _is_running(candidate: Candidate) -> bool:
    return candidate.state is CandidateState.RUNNING
