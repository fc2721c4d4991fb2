"""What every executor keeps to. A test file makes one and inherits the rest."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from optimizer import logs
from optimizer.errors import InputError
from optimizer.executors.asking import answered
from optimizer.executors.executor import Evaluate, Evaluating, Executor, Screen
from optimizer.faults import TimeLimitError, WorkerDiedError
from optimizer.logs import LogFormat, about
from search_spaces.config import Config
from studies.records import CandidateState, Outcome

LIMIT_S = 3.0  # time enough to notice a death on a busy machine
PATIENCE_S = 180.0  # for an answer: workers start slowly on a busy machine
WORDS = {"input": InputError("keep", "no such layer"), "value": ValueError("answers are NaN")}


class UnspeakableError(Exception):
    """Cannot be pickled: it asks for more than it keeps."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} and {other}")


class Scripted:
    """Does with a config what its one group says. The drop of all others is their level; `weight` is shared data."""

    def __init__(self) -> None:
        self.weight = np.arange(1000.0)

    def evaluate(self, config: Config, rivals: Sequence[Any]) -> Outcome:
        ((what, level),) = config.as_dict().items()
        if what in WORDS:
            raise WORDS[what]
        if what == "unspeakable":
            raise UnspeakableError("this", "that")
        if what == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "hangs":
            time.sleep(2 * PATIENCE_S)
        reason = " ".join(map(str, (os.getpid(), os.environ.get("OMP_NUM_THREADS"), len(rivals))))
        return Outcome(state=CandidateState.COMPLETE, drop=self.weight[level], reason=reason)

    def divergences_of(self, configs: Sequence[Config]) -> tuple[float, ...]:
        return tuple(float(config.as_dict()["level"]) for config in configs)


@dataclass(frozen=True)
class Learn:
    """Takes three steps and keeps each in a file. Whoever is at the second one where it is fatal dies, once."""

    state: Path
    is_fatal: bool

    def put_to(self, served: object, /) -> int:
        taken = self.state.read_text().split() if self.state.exists() else []
        for step in range(len(taken), 3):
            with self.state.open("a") as state:
                state.write(f"{os.getpid()}\n")
            if self.is_fatal and not taken and step == 1:
                os.kill(os.getpid(), signal.SIGKILL)
        return 3 - len(taken)


class Say:
    """Warns and logs; the answer is what this would write to standard error."""

    def put_to(self, served: object, /) -> list[str]:
        written, (handler,) = list[str](), logging.getLogger().handlers
        handler.emit = lambda record: written.append(handler.format(record))  # type: ignore[method-assign]
        warnings.warn("mind the gap", stacklevel=1)
        logging.getLogger("optimizer.training").warning("damaged")
        return written


@contextmanager
def in_a_service() -> Iterator[None]:
    """Be a driver that logs JSON, inside the block on behalf of a request about a study."""
    with pytest.MonkeyPatch.context() as patch, about(request="asked-1", study=7):
        patch.setattr(logs, "_form", LogFormat.JSON)
        yield


def asked(what: str = "level", level: int = 1) -> Evaluate:
    return Evaluate(Config.of({what: level}))


def pid_of(answer: Future[Outcome]) -> int:
    return int((answer.result(PATIENCE_S).reason or "").split()[0])


class ExecutorContract:
    """The fixture `executor` gives one with `Scripted` and, where it ends what hangs, a limit of `LIMIT_S`."""

    def test_answers_are_the_evaluator_s(self, executor: Executor[Evaluating]) -> None:
        screened = executor.submit(Screen((Config.of({"level": 3}), Config.of({"level": 5}))))
        assert screened.result(PATIENCE_S) == (3.0, 5.0)
        for level in range(3):
            answers = [executor.submit(asked(level=level + slot)) for slot in range(executor.slots)]
            assert [each.result(PATIENCE_S).drop for each in answers] == [
                level + slot for slot in range(executor.slots)
            ]

    @pytest.mark.parametrize("what", sorted(WORDS))
    def test_an_error_of_an_evaluation_is_its_future_s(self, what: str, executor: Executor[Evaluating]) -> None:
        error = executor.submit(asked(what)).exception(PATIENCE_S)
        assert type(error) is type(WORDS[what])
        assert str(error) == str(WORDS[what])
        assert getattr(error, "field", None) == getattr(WORDS[what], "field", None)
        assert executor.submit(asked()).result(PATIENCE_S).drop == 1

    def test_an_error_that_cannot_travel_is_told_in_words(self, executor: Executor[Evaluating]) -> None:
        error = executor.submit(asked("unspeakable")).exception(PATIENCE_S)
        assert "this and that" in str(error)

    def test_what_trains_is_asked_as_well(self, executor: Executor[Evaluating], tmp_path: Path) -> None:
        assert [*answered(executor, [Learn(tmp_path / "state", is_fatal=False)])] == [(0, 3)]


class WorkersContract(ExecutorContract):
    """What executors of two workers in other processes keep to beside."""

    def test_two_questions_are_answered_by_two_processes(self, executor: Executor[Evaluating]) -> None:
        deadline, pids = time.monotonic() + PATIENCE_S, set[int]()
        while len(pids) < 2 and time.monotonic() < deadline:  # the second worker may still be starting
            pids |= {pid_of(each) for each in [executor.submit(asked()) for _ in range(executor.slots)]}
        assert len(pids) == executor.slots == 2
        assert os.getpid() not in pids

    def test_workers_share_the_threads(self, executor: Executor[Evaluating]) -> None:
        assert (executor.submit(asked()).result(PATIENCE_S).reason or "").split()[1] == "1"

    def test_workers_log_as_their_driver_does(self, executor: Executor[Evaluating]) -> None:
        lines = [json.loads(line) for line in executor.submit(Say()).result(PATIENCE_S)]
        assert [(line["level"], line["logger"]) for line in lines] == [
            ("warning", "py.warnings"),
            ("warning", "optimizer.training"),
        ]
        assert "mind the gap" in lines[0]["message"]
        assert lines[1]["message"] == "damaged"
        assert all((line["study"], line["request"]) == (7, "asked-1") for line in lines)

    def test_a_worker_that_dies_or_hangs_is_replaced_and_the_other_answers_meanwhile(
        self, executor: Executor[Evaluating]
    ) -> None:
        died, other = executor.submit(asked("dies")), executor.submit(asked())
        error = died.exception(PATIENCE_S)
        assert isinstance(error, WorkerDiedError)
        assert other.result(PATIENCE_S).drop == 1
        hung, other = executor.submit(asked("hangs")), executor.submit(asked())
        late = hung.exception(PATIENCE_S)
        assert isinstance(late, TimeLimitError)
        assert str(late) == f"took longer than {LIMIT_S:g} s"
        assert other.result(PATIENCE_S).drop == 1
        self.test_two_questions_are_answered_by_two_processes(executor)

    def test_a_training_whose_worker_is_killed_goes_on_in_another_from_what_was_kept(
        self, executor: Executor[Evaluating], tmp_path: Path
    ) -> None:
        state = tmp_path / "state"
        assert [*answered(executor, [Learn(state, is_fatal=True)])] == [(0, 1)]
        first, second, third = state.read_text().split()
        assert first == second != third

    def test_closing_ends_workers_whatever_they_do(self, closed_while_busy: tuple[list[int], float]) -> None:
        pids, seconds = closed_while_busy
        assert seconds < PATIENCE_S  # half of what its question would take
        deadline = time.monotonic() + PATIENCE_S
        while (left := [pid for pid in pids if is_running(pid)]) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not left


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked about does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def close_while_busy(executor: Executor[Evaluating]) -> tuple[list[int], float]:
    """Close an executor with a question in flight; return its processes and the seconds that it took."""
    pids = [pid_of(executor.submit(asked()))]
    hanging = executor.submit(asked("hangs"))
    wait([hanging], 0.1)
    started = time.monotonic()
    executor.close()
    return pids, time.monotonic() - started
