"""Served: what a worker process is, once it runs: what it has of a prepared study, and the questions put to that."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Sequence
from typing import Any

from optimizer.executors.executor import Question
from optimizer.logs import Log


class Served:
    """What answers in this process, on its share of the threads and cores."""

    def __init__(self, answering: object) -> None:
        self._answering = answering

    def answer(self, question: Question[Any, Any]) -> Any:  # Any: one type per question
        """Return the answer. An error that would not reach the driver is raised as a `RuntimeError` of its words."""
        try:
            return question.put_to(self._answering)
        except Exception as error:
            if _travels(error):
                raise
            raise RuntimeError(f"{type(error).__name__}: {error}") from None


def settle(log: Log, cores: Sequence[int] = ()) -> None:
    """Have this process log as its driver, use these cores alone, all where none are named, and leave Ctrl-C to it.

    How many threads torch uses, the environment says before it is imported.
    """
    log.take_over()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def _travels(error: Exception) -> bool:
    try:
        return str(pickle.loads(pickle.dumps(error))) == str(error)
    except Exception:  # whatever the error's own `__reduce__` or constructor raises
        return False
