"""The executor of one worker, which is this process: a question is answered before `submit` returns."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, Self

from optimizer.executors.executor import A, Question


class InProcess:
    """`Executor` in this process. An interrupt passes through `submit`, and nothing ends a question that hangs."""

    slots = 1

    def __init__(self, served: object) -> None:
        self._served = served

    def submit(self, question: Question[Any, A]) -> Future[A]:
        """Answer a question."""
        future: Future[A] = Future()
        try:
            future.set_result(question.put_to(self._served))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Do nothing: there is nobody else."""

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""
