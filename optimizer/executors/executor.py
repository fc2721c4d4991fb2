"""Executor: where questions are answered. The driver asks, stores the answers, and alone writes the study.

A question carries all that its answer depends on beside the prepared study, so it has the same answer everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from search_spaces.config import Config
from studies.records import Outcome

if TYPE_CHECKING:
    from optimizer.evaluation.rivals import Rival  # with SciPy, which a worker may never need

A_co = TypeVar("A_co", covariant=True)
A = TypeVar("A")
S = TypeVar("S")
S_contra = TypeVar("S_contra", contravariant=True)
S_co = TypeVar("S_co", covariant=True)


class Evaluating(Protocol):
    """What answers the questions of a search: an `Evaluator`, or what simulates one."""

    def evaluate(self, config: Config, rivals: Sequence[Rival]) -> Outcome:
        """Return the outcome of a config, stopped early where one of the rivals rules it out."""

    def divergences_of(self, configs: Sequence[Config]) -> tuple[float, ...]:
        """Return how far the answers of configs diverge from the dense model's."""


class Question(Protocol[S_contra, A_co]):
    """A question to what the workers have: an evaluator in a search, what trains students in a recovery."""

    def put_to(self, served: S_contra, /) -> A_co:
        """Return the answer."""


@dataclass(frozen=True, slots=True)
class Evaluate:
    """How good is a config? The `rivals` are those that were known when it was asked."""

    config: Config
    rivals: tuple[Rival, ...] = ()

    def put_to(self, evaluator: Evaluating, /) -> Outcome:
        """Return the outcome."""
        return evaluator.evaluate(self.config, self.rivals)


@dataclass(frozen=True, slots=True)
class Screen:
    """How far do the answers of configs diverge from the dense model's?"""

    configs: tuple[Config, ...]

    def put_to(self, evaluator: Evaluating, /) -> tuple[float, ...]:
        """Return a divergence for each."""
        return evaluator.divergences_of(self.configs)


class Executor(Protocol[S_co]):
    """Answers `slots` questions at a time.

    Contract, which one suite of tests holds for every executor: what an answer raises, the future raises; a worker
    that dies is replaced, and only the future of what it was asked raises `WorkerDiedError`; one that takes longer than
    it may is ended, and its future raises `TimeLimitError`; `close` ends everything that was started.
    """

    @property
    def slots(self) -> int:
        """How many questions are answered at the same time."""

    def submit(self, question: Question[S_co, A]) -> Future[A]:
        """Have a question answered. At most `slots` are in flight: the next is asked when one is answered."""

    def close(self) -> None:
        """End all workers at once. What they were asked stays without an answer."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
