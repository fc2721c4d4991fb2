"""Worker processes on this machine, one loky pool each: its death is told with the signal, and leaves the others be.

One pool of N processes, of loky or of the standard library, loses all N and all that they were asked with one of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loky import ProcessPoolExecutor
from loky.process_executor import ShutdownExecutorError

from optimizer.executors.executor import A, Question
from optimizer.executors.parcel import read_parcel, unpack
from optimizer.executors.parent import end_with
from optimizer.executors.served import Served, settle
from optimizer.faults import TimeLimitError, WorkerDiedError
from optimizer.logs import Log

START_S = 300.0  # for importing torch and mapping the study, on a machine that is busy
OUT_OF_MEMORY = "SIGKILL"
NO_LIMIT = 2**60  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a worker runs: on these cores, all where none are named, and with the GPU of this number, if any."""

    threads: int
    cores: tuple[int, ...] = ()
    gpu: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The variables that libraries read as they are loaded."""
        threads = {"OMP_NUM_THREADS": str(self.threads), "MKL_NUM_THREADS": str(self.threads)}
        gpu = {} if self.gpu is None else {"CUDA_VISIBLE_DEVICES": self.gpu}
        return {**threads, **gpu, "LOKY_MAX_MEMORY_LEAK_SIZE": str(NO_LIMIT)}  # a large model is no leak


class ProcessWorker:
    """`Worker` in a process of this machine, which maps the parcel of the prepared study."""

    def __init__(self, parcel: Path, place: Place) -> None:
        self._parcel, self._place = parcel, place
        self._pool = ProcessPoolExecutor(
            max_workers=1, timeout=None, env=place.environment, initializer=end_with, initargs=(os.getpid(),)
        )  # which ends with a driver that is killed before it has asked anything

    def begin(self) -> None:
        """Start the process."""
        try:
            self._ask(START_S, _begin, self._parcel, self._place, Log.here())
        except TimeLimitError as error:
            raise WorkerDiedError(f"it had not started after {START_S:g} s") from error

    def answer(self, question: Question[Any, A], limit_s: float | None) -> A:
        """Have the process answer a question."""
        found: A = self._ask(limit_s, _answer, question)
        return found

    def close(self) -> None:
        """Kill the process."""
        self._pool.shutdown(kill_workers=True)

    def _ask(self, limit_s: float | None, function: Callable[..., Any], *given: object) -> Any:  # Any: its result
        future: Future[Any] | None = None
        try:
            future = self._pool.submit(function, *given)
            return future.result(limit_s)
        except TimeoutError:
            if future is None:
                raise
            if future.done():  # the answer came just then, or the error is the evaluation's own
                return future.result()
            self.close()
            raise TimeLimitError(f"took longer than {limit_s:g} s") from None
        except (BrokenExecutor, ShutdownExecutorError) as error:
            raise WorkerDiedError(in_words(error)) from error


def in_words(error: BaseException) -> str:
    """Return how a process ended, by what loky says of it."""
    found = re.search(r"exit codes of the workers are \{([^}]*)\}", str(error))
    how = found[1] if found else "no exit code"
    why = ", as the system does when memory runs out" if OUT_OF_MEMORY in how else ""
    return f"its worker process ended with {how}{why}"


_served: Served | None = None  # of a worker process


def _begin(parcel: Path, place: Place, log: Log) -> None:
    global _served
    settle(log, place.cores)
    _served = Served(unpack(read_parcel(parcel)))


def _answer(question: Question[Any, Any]) -> Any:  # Any: one type per question
    if _served is None:
        raise WorkerDiedError("its worker process was replaced by one that knows nothing of the study")
    return _served.answer(question)
