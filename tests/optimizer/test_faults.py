"""A search with several workers: nobody waits, nothing is proposed twice, and no fault loses or doubles a candidate."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from benchmarks.outcomes import Simulated, outcome_of, share
from benchmarks.simulated import problems, proposer
from optimizer.errors import InputError
from optimizer.evaluation.rivals import Rival
from optimizer.executors.executor import A, Evaluate, Question, Screen
from optimizer.executors.inprocess import InProcess
from optimizer.faults import ATTEMPTS, TimeLimitError, WorkerDiedError
from optimizer.loop.loop import Budget, Search
from optimizer.search.steps import Neighbours, Step, configs_of
from search_spaces.config import Config
from studies.opening import open_store
from studies.records import Candidate, CandidateState, Outcome, Proposal
from studies.store import StoreUnavailableError, StudyStore

TRIALS = 24


class Threads:
    """An executor whose workers are threads; `before` may raise what a question ends with."""

    def __init__(self, slots: int, before: Callable[[Question[Any, Any]], None] = lambda _: None) -> None:
        self.slots, self._before = slots, before
        self._pool, self._evaluator, self.most = ThreadPoolExecutor(slots), Simulated(), 0

    def submit(self, question: Question[Any, A]) -> Future[A]:
        return self._pool.submit(self._answer, question)

    def _answer(self, question: Question[Any, A]) -> A:
        time.sleep(random.random() / 2000)  # answers arrive in another order each time
        self._before(question)
        return question.put_to(self._evaluator)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> Threads:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StudyStore]:
    with closing(open_store(f"sqlite:///{tmp_path}/s.sqlite")) as opened:
        yield opened


def searched(
    store: StudyStore,
    executor: Any,
    *,
    seed: int = 0,
    trials: int = TRIALS,
    on_finished: Callable[[Candidate], None] = lambda _: None,
) -> Sequence[Candidate]:
    study = store.study("s") if store.studies() else store.create_study("s", {})
    with executor:
        Search(
            study_id=study.id,
            store=store,
            proposer=proposer(trials, seed=seed),
            executor=executor,
            budget=Budget(trials=trials),
            on_finished=on_finished,
        ).run()
    return store.candidates(study.id)


@pytest.mark.parametrize("slots", [2, 5])
def test_several_workers_are_all_busy_and_no_config_comes_twice(slots: int, store: StudyStore) -> None:
    asked: list[Question[Any, Any]] = []
    found = searched(store, Threads(slots, asked.append))
    assert not problems(found, TRIALS)
    assert sum(isinstance(each, Evaluate) for each in asked) == TRIALS
    assert any(isinstance(each, Screen) for each in asked)  # refinement asks the workers, too


def test_what_one_worker_left_in_flight_three_finish_and_the_other_way_round(store: StudyStore) -> None:
    for slots, until in ((3, 6), (1, 13), (4, TRIALS + 1)):

        def interrupt(candidate: Candidate, until: int = until) -> None:
            if candidate.number >= until:
                raise KeyboardInterrupt

        executor = InProcess(Simulated()) if slots == 1 else Threads(slots)
        with suppress(KeyboardInterrupt):
            searched(store, executor, on_finished=interrupt)
    assert not problems(store.candidates(store.study("s").id), TRIALS)


class Poison(Simulated):
    """Raises for the configs of one share, or, with `always`, for all."""

    def __init__(self, error: Exception, *, always: bool = False) -> None:
        super().__init__()
        object.__setattr__(self, "error", error)
        object.__setattr__(self, "always", always)
        object.__setattr__(self, "asked", [])

    def evaluate(self, config: Config, rivals: Sequence[Rival]) -> Outcome:
        self.asked.append(config)  # type: ignore[attr-defined]
        if self.always or (share(config, "poison") < 0.2 and len(set(self.asked)) > 1):  # type: ignore[attr-defined]
            raise self.error  # type: ignore[attr-defined]
        return outcome_of(config)


@pytest.mark.parametrize(
    ("error", "attempts", "reason"),
    [
        (WorkerDiedError("its worker process ended with SIGSEGV(-11)"), ATTEMPTS, "SIGSEGV(-11) (3 attempts)"),
        (RuntimeError("svd did not converge"), ATTEMPTS, "RuntimeError: svd did not converge (3 attempts)"),
        (MemoryError("not enough memory"), ATTEMPTS, "MemoryError: not enough memory (3 attempts)"),
        (TimeLimitError("took longer than 5 s"), 1, "took longer than 5 s"),
    ],
)
def test_a_poison_config_is_tried_so_often_and_the_study_goes_on(
    error: Exception, attempts: int, reason: str, store: StudyStore
) -> None:
    evaluator = Poison(error)
    found = searched(store, InProcess(evaluator))
    failed = [c for c in found if c.state is CandidateState.FAILED]
    assert not problems(found, TRIALS)
    assert 0 < len(failed) < TRIALS
    for candidate in failed:
        assert evaluator.asked.count(candidate.config) == attempts  # type: ignore[attr-defined]
        assert candidate.outcome is not None
        assert (candidate.outcome.reason or "").endswith(reason)


@pytest.mark.parametrize("error", [RuntimeError("the code is wrong"), InputError("keep", "no"), OSError("disk full")])
def test_an_error_that_is_no_candidate_s_own_ends_the_run(error: Exception, store: StudyStore) -> None:
    with pytest.raises(type(error), match=str(error)):
        searched(store, InProcess(Poison(error, always=True)))
    assert [c.state for c in store.candidates(1)] == [CandidateState.RUNNING]


def test_too_little_memory_for_the_first_candidate_leaves_the_others(store: StudyStore) -> None:
    found = searched(store, InProcess(Poison(MemoryError("full"), always=True)))
    assert not problems(found, TRIALS)
    assert {c.state for c in found} == {CandidateState.FAILED}


class Unreliable:
    """A store that is away at random moments."""

    def __init__(self, store: StudyStore, chance: random.Random) -> None:
        self._store, self._chance = store, chance

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def called(*given: Any, **named: Any) -> Any:
            if name in ("start_candidate", "finish_candidate") and self._chance.random() < 0.04:
                raise StoreUnavailableError("the database is away")
            return method(*given, **named)

        return called


@pytest.mark.parametrize("seed", range(3))
def test_no_fault_loses_or_doubles_a_candidate(seed: int, store: StudyStore) -> None:
    chance, injected = random.Random(seed), list[str]()

    def fault(question: Question[Any, Any]) -> None:
        kind = chance.choices([None, WorkerDiedError, TimeLimitError, RuntimeError], (70, 20, 4, 6))[0]
        if kind is not None:
            injected.append(kind.__name__)
            raise kind("at random")

    def kill(_: Candidate) -> None:
        if chance.random() < 0.06:
            injected.append("killed")
            raise KeyboardInterrupt

    for _ in range(200):
        try:
            found = searched(Unreliable(store, chance), Threads(3, fault), seed=seed, on_finished=kill)
            break
        except (KeyboardInterrupt, StoreUnavailableError):
            continue
        except RuntimeError:  # before any candidate has worked, an error of the code is the study's
            assert not any(c.outcome and c.outcome.drop is not None for c in store.candidates(1))
    assert not problems(found, TRIALS)
    assert len(injected) > 5


def test_a_proposal_depends_on_what_is_finished_and_pending_alone() -> None:
    finished: list[Candidate] = []
    pending: list[Step] = []
    chance, number = random.Random(3), 0
    once, again = proposer(TRIALS, seed=1, sampler="tpe"), proposer(TRIALS, seed=1, sampler="tpe")
    while number < TRIALS:
        step = once.propose(finished, pending)
        assert step == again.propose(finished, pending)
        assert step is not None
        taken = {c.config for c in finished}.union(*map(configs_of, pending))
        assert not taken.intersection(configs_of(step))
        pending.append(step)
        number += 1
        if len(pending) == 4:  # one of four lands
            landed = pending.pop(chance.randrange(4))
            proposal = landed.closest((0.0,) * len(landed.configs)) if isinstance(landed, Neighbours) else landed
            finished.append(_finished(len(finished), proposal))


def _finished(number: int, proposal: Proposal) -> Candidate:
    outcome = outcome_of(proposal.config)
    return Candidate(id=number, study_id=1, number=number, proposal=proposal, state=outcome.state, outcome=outcome)
