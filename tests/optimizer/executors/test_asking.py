"""Many questions: as many at a time as there are workers, each again where its worker dies, none for nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import pytest

from optimizer.errors import MachineError
from optimizer.executors import asking
from optimizer.executors.asking import answered
from optimizer.executors.executor import A, Question
from optimizer.executors.inprocess import InProcess
from optimizer.faults import WorkerDiedError


@dataclass(frozen=True)
class Raise:
    """Answers with what is left to raise, until nothing is."""

    errors: list[BaseException] = field(default_factory=list)

    def put_to(self, served: list[str], /) -> int:
        served.append("asked")
        if self.errors:
            raise self.errors.pop(0)
        return len(served)


class Slow(InProcess):
    """Two workers of whom each answers when `let` is called."""

    slots = 2

    def __init__(self, served: object) -> None:
        super().__init__(served)
        self.waiting = list[tuple[Question[Any, Any], Future[Any]]]()

    def submit(self, question: Question[Any, A]) -> Future[A]:
        future: Future[A] = Future()
        self.waiting.append((question, future))
        return future

    def let(self, which: int) -> None:
        question, future = self.waiting.pop(which)
        future.set_result(question.put_to(self._served))


def died() -> WorkerDiedError:
    return WorkerDiedError("it was killed")


def test_one_worker_is_asked_one_question_after_the_other() -> None:
    taken: list[str] = []

    def questions() -> Iterator[Raise]:
        for number in range(3):
            taken.append(f"question {number}")
            yield Raise()

    for number, answer in answered(InProcess(taken), questions()):
        taken.append(f"answer {number}: {answer}")
    assert taken[2:7] == ["answer 0: 2", "question 1", "asked", "answer 1: 5", "question 2"]


@pytest.mark.parametrize(
    ("error", "attempts", "times", "answer"),
    [(died, 3, 2, 3), (died, 3, 3, "it was killed"), (died, 1, 1, "it was killed"), (MemoryError, 2, 2, "")],
)
def test_who_dies_is_asked_again_and_not_for_ever(
    error: Callable[[], BaseException], attempts: int, times: int, answer: object
) -> None:
    served: list[str] = []
    ((number, found),) = answered(InProcess(served), [Raise([error() for _ in range(times)])], attempts=attempts)
    assert number == 0
    assert (str(found) if isinstance(found, BaseException) else found) == answer
    assert len(served) == min(attempts, times + 1)


def test_an_error_that_is_nobody_s_own_ends_all() -> None:
    with pytest.raises(MachineError, match="disk"):
        list(answered(InProcess([]), [Raise([MachineError("the disk is full")]), Raise()]))


def test_no_worker_waits_and_the_caller_is_told_of_every_second_without_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking, "WAIT_S", 0.001)
    executor = Slow([])
    answers = answered(executor, [Raise() for _ in range(3)], on_wait=lambda: executor.let(-1))
    assert [number for number, _ in answers] == [1, 2, 0]
