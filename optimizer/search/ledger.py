"""The ledger of a search: finished candidates and what is pending, each with what is asked of it again and again.

A proposer derives what it knows from both. What it derived before, it adds to: to go through a hundred thousand
candidates for every proposal would take longer than to evaluate one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import insort
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from functools import cached_property
from typing import TypeVar, overload

from optimizer.search.steps import Neighbours, Step, configs_of
from search_spaces.config import Config
from studies.collecting import without_collecting
from studies.records import Candidate, Origin, Proposal

Point = tuple[float, ...]
MANY = 1000  # candidates of which what is derived is made in one go
K = TypeVar("K")


class Finished(Sequence[Candidate]):
    """Finished candidates in the order of their numbers. `came` are the same ones in the order in which they came."""

    def __init__(self, candidates: Iterable[Candidate] = ()) -> None:
        self.came = list(candidates)
        self._by_number = sorted(self.came, key=_number)

    @classmethod
    def of(cls, candidates: Sequence[Candidate]) -> Finished:
        """Return the candidates as such a sequence."""
        return candidates if isinstance(candidates, Finished) else cls(candidates)

    def add(self, candidate: Candidate) -> None:
        """Add a candidate that has finished."""
        self.came.append(candidate)
        insort(self._by_number, candidate, key=_number)

    def __len__(self) -> int:
        return len(self._by_number)

    @overload
    def __getitem__(self, index: int) -> Candidate: ...
    @overload
    def __getitem__(self, index: slice) -> list[Candidate]: ...
    def __getitem__(self, index: int | slice) -> Candidate | list[Candidate]:
        return self._by_number[index]

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self._by_number)


class Pending(Sequence[Step]):
    """What is in flight: proposals in the order of their numbers, then neighbours that are being screened.

    `configs` counts how often each config is in flight, `parents` how often each number is a refined one's parent.
    """

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        self._proposals: dict[int, Proposal] = {}
        self._screened: dict[int, Neighbours] = {}  # by identity
        self.configs, self.parents = Counter[Config](), Counter[int | None]()
        for number, step in enumerate(steps):
            if isinstance(step, Neighbours):
                self.screen(step)
            else:
                self.evaluate(number, step)

    @classmethod
    def of(cls, steps: Sequence[Step]) -> Pending:
        """Return the steps as such a sequence."""
        return steps if isinstance(steps, Pending) else cls(steps)

    def evaluate(self, number: int, proposal: Proposal) -> None:
        """Add a proposal that is being evaluated as the candidate of this number."""
        self._proposals[number] = proposal
        self._count(proposal, 1)

    def evaluated(self, number: int) -> None:
        """Take the proposal of this number out."""
        self._count(self._proposals.pop(number), -1)

    def screen(self, neighbours: Neighbours) -> None:
        """Add neighbours that are being screened."""
        self._screened[id(neighbours)] = neighbours
        self._count(neighbours, 1)

    def screened(self, neighbours: Neighbours) -> None:
        """Take neighbours out."""
        self._count(self._screened.pop(id(neighbours)), -1)

    @property
    def has_refined(self) -> bool:
        """Whether anything in flight is a neighbour of another candidate."""
        return bool(self.parents)

    def points(self, dimensions: int) -> Sequence[Point]:
        """Return the coordinates of the proposals that have so many, gathered when they are first looked at."""
        return _Points(self, dimensions)

    @property
    def _in_order(self) -> Iterator[Proposal]:
        return (self._proposals[number] for number in sorted(self._proposals))

    def _count(self, step: Step, change: int) -> None:
        for config in configs_of(step):
            _add(self.configs, config, change)
        if step.origin is Origin.REFINE:
            _add(self.parents, step.parent, change)

    def __len__(self) -> int:
        return len(self._proposals) + len(self._screened)

    @overload
    def __getitem__(self, index: int) -> Step: ...
    @overload
    def __getitem__(self, index: slice) -> list[Step]: ...
    def __getitem__(self, index: int | slice) -> Step | list[Step]:
        return [*self][index]

    def __iter__(self) -> Iterator[Step]:
        yield from self._in_order
        yield from self._screened.values()


class _Points(Sequence[Point]):
    """The points in flight of one moment, which most samplers never look at."""

    def __init__(self, pending: Pending, dimensions: int) -> None:
        self._pending, self._dimensions = pending, dimensions

    @cached_property
    def _points(self) -> list[Point]:
        points = (step.coordinates for step in self._pending if isinstance(step, Proposal))
        return [point for point in points if point is not None and len(point) == self._dimensions]

    def __len__(self) -> int:
        return len(self._points)

    @overload
    def __getitem__(self, index: int) -> Point: ...
    @overload
    def __getitem__(self, index: slice) -> list[Point]: ...
    def __getitem__(self, index: int | slice) -> Point | list[Point]:
        return self._points[index]


class Follower(ABC):
    """What derives something from finished candidates, from each once, in the order in which they came."""

    def __init__(self) -> None:
        self._followed: Finished | None = None
        self._seen = 0

    def follow(self, finished: Finished) -> None:
        """Take note of the candidates that came since; of all, where these are others than those before."""
        if finished is not self._followed:
            self._followed, self._seen = finished, 0
            self.forget()
        new = finished.came[self._seen :]
        with without_collecting() if len(new) >= MANY else nullcontext():
            for candidate in new:
                self.note(candidate)
        self._seen = len(finished.came)

    @abstractmethod
    def forget(self) -> None:
        """Begin without any candidate."""

    @abstractmethod
    def note(self, candidate: Candidate) -> None:
        """Take note of a finished candidate. What follows from all must not depend on their order."""


def _add(counter: Counter[K], key: K, change: int) -> None:
    counter[key] += change
    if not counter[key]:
        del counter[key]


def _number(candidate: Candidate) -> int:
    return candidate.number
