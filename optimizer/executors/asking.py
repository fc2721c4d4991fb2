"""Asking: many questions put to an executor, each again while its worker dies, the answers in the order they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Generic

from optimizer.executors.executor import A, Executor, Question, S
from optimizer.faults import ATTEMPTS, is_candidates_own

WAIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Asked(Generic[S, A]):
    """The question of this number, from 0, and how often it was asked before."""

    number: int
    question: Question[S, A]
    before: int = 0


def answered(
    executor: Executor[S],
    questions: Iterable[Question[S, A]],
    *,
    attempts: int = ATTEMPTS,
    on_wait: Callable[[], None] = lambda: None,
) -> Iterator[tuple[int, A | BaseException]]:
    """Yield the number of each question with its answer, or with how the last of so many attempts ended.

    A question is taken from `questions` when a worker is free. One whose worker dies, or lacks memory, is asked again;
    any other error is raised. `on_wait` is called every second in which no answer comes.
    """
    new, again = (Asked(number, question) for number, question in enumerate(questions)), list[Asked[S, A]]()
    in_flight = dict[Future[A], Asked[S, A]]()
    while True:
        while len(in_flight) < executor.slots and (asked := again.pop(0) if again else next(new, None)):
            in_flight[executor.submit(asked.question)] = asked
        if not in_flight:
            return
        done, _ = wait(in_flight, WAIT_S, FIRST_COMPLETED)
        if not done:
            on_wait()
        for future in done:
            asked = in_flight.pop(future)
            error = future.exception()
            if error is None:
                yield asked.number, future.result()
            elif not is_candidates_own(error, has_worked=False):
                raise error
            elif asked.before + 1 < attempts:
                again.append(Asked(asked.number, asked.question, asked.before + 1))
            else:
                yield asked.number, error
