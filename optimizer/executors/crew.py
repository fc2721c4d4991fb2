"""A crew: an executor of workers that are processes elsewhere. Each has a place; one that dies is replaced there.

Every place has a thread, which starts the worker, hands it one question at a time and waits for the answer. A worker
that is not there yet holds no question: the others answer what is asked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from contextvars import copy_context
from queue import SimpleQueue
from threading import Event as Flag
from threading import Lock, Thread
from typing import Any, Protocol

from optimizer.errors import MachineError, OptimizerError
from optimizer.executors.executor import A, Question
from optimizer.faults import TimeLimitError, WorkerDiedError

STARTS = 3  # of a worker, one after the other, before nobody is expected to come
PAUSE_S = 1.0  # after the first start that failed; then twice as long each time
LONGEST_PAUSE_S = 60.0
JOIN_S = 10.0
log = logging.getLogger(__name__)


class Worker(Protocol):
    """A process that answers questions. Any other thread may `close` it, whatever it does."""

    def begin(self) -> None:
        """Start and take over the prepared study. Raises `WorkerDiedError`, or `InputError` where it cannot."""

    def answer(self, question: Question[Any, A], limit_s: float | None) -> A:
        """Return the answer. Raises `WorkerDiedError`, `TimeLimitError`, and what the evaluation raises."""

    def close(self) -> None:
        """End the process at once."""


class Crew(AbstractContextManager["Crew"]):
    """`Executor` of as many workers as `make` is called for, with the number of each place."""

    def __init__(
        self,
        make: Callable[[int], Worker],
        *,
        slots: int,
        limit_s: float | None = None,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self.slots = slots
        self._make, self._limit_s, self._on_close = make, limit_s, on_close
        self._asked: SimpleQueue[tuple[Question[Any, Any], Future[Any]] | None] = SimpleQueue()
        self._workers: dict[int, Worker] = {}
        self._lock, self._closing = Lock(), Flag()
        self._failure: BaseException | None = None
        self._serving = 0
        self._threads = [
            Thread(
                target=copy_context().run, args=(self._serve, place), name=f"worker {place}"
            )  # its log names the study
            for place in range(slots)
        ]
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    def submit(self, question: Question[Any, A]) -> Future[A]:
        """Have a question answered by the next worker that is free."""
        future: Future[A] = Future()
        with self._lock:
            if self._failure is None:
                self._asked.put((question, future))
            else:
                future.set_exception(self._failure)
        return future

    def close(self) -> None:
        """End all workers."""
        with self._lock:
            self._closing.set()
            workers = list(self._workers.values())
        for worker in workers:
            worker.close()
        for _ in self._threads:
            self._asked.put(None)
        for thread in self._threads:
            thread.join(JOIN_S)
        self._on_close()

    def __exit__(self, *_: object) -> None:
        """End all workers."""
        self.close()

    def _serve(self, place: int) -> None:
        while (worker := self._started(place)) is not None:
            with self._lock:
                self._serving += 1
            fell = self._answer_all(worker)
            with self._lock:
                self._serving -= 1
                self._workers.pop(place, None)
            worker.close()
            if not fell:
                return

    def _answer_all(self, worker: Worker) -> bool:
        """Answer what is asked, until the worker falls or nothing more is asked; return whether it fell."""
        while (asked := self._asked.get()) is not None:
            question, future = asked
            try:
                future.set_result(worker.answer(question, self._limit_s))
            except (WorkerDiedError, TimeLimitError) as error:
                future.set_exception(error)
                return True
            except BaseException as error:
                future.set_exception(error)
        return False

    def _started(self, place: int) -> Worker | None:
        """Return a worker that is ready; None once the crew is closed, or where none can be started."""
        failures = 0
        while not self._closing.is_set():
            worker = self._make(place)
            try:
                with self._lock:
                    if self._closing.is_set():
                        return None
                    self._workers[place] = worker
                worker.begin()
                return worker
            except Exception as error:
                worker.close()
                if self._closing.is_set():
                    return None
                failures += 1
                log.warning("worker %d does not start: %s", place, error)
                if not isinstance(error, WorkerDiedError) or (failures >= STARTS and not self._serving):
                    self._fail(error)
                    return None
            self._closing.wait(min(LONGEST_PAUSE_S, PAUSE_S * 2 ** (failures - 1)))
        return None

    def _fail(self, error: Exception) -> None:
        """Answer all that was and will be asked with the error: nobody comes to answer."""
        said = str(error) if isinstance(error, WorkerDiedError) else f"{type(error).__name__}: {error}"
        with self._lock:
            if self._closing.is_set() or self._failure is not None:
                return
            self._failure = error if isinstance(error, OptimizerError) else MachineError(f"no worker starts: {said}")
            unanswered: Sequence[tuple[Question[Any, Any], Future[Any]] | None] = [
                self._asked.get() for _ in range(self._asked.qsize())
            ]
        for asked in unanswered:
            if asked is not None:
                asked[1].set_exception(self._failure)
