"""A sampler that Python code gives: any function of a `Problem` that returns a `Sampler`, its points checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from optimizer.errors import InputError
from optimizer.samplers.protocol import AskAndTell, Point, Told
from optimizer.samplers.replay import Problem

MakeSampler = Callable[[Problem], AskAndTell]


class OwnSampler:
    """`Sampler` made by a caller's function. Raises `InputError` for points outside the unit cube."""

    def __init__(self, make: MakeSampler, problem: Problem) -> None:
        self._make, self._problem = make, problem
        self._sampler = make(problem)

    def ask(self, number: int, attempt: int = 0) -> Point:
        """Return the point that the caller's sampler returns."""
        point = tuple(map(float, self._sampler.ask(number, attempt)))
        if len(point) != self._problem.dimensions or not all(0 <= value <= 1 for value in point):
            raise InputError(
                "sampler",
                f"must return {self._problem.dimensions} numbers between 0 and 1 for a candidate, got {point}",
            )
        return point

    def tell(self, told: Told) -> None:
        """Pass a finished candidate on."""
        self._sampler.tell(told)

    def expect(self, point: Point) -> None:
        """Pass a candidate in flight on to a sampler that wants to know."""
        note = getattr(self._sampler, "expect", None)
        if note is not None:
            note(point)

    def recall(self, told: Sequence[Told], *, forgotten: int = 0, expected: Sequence[Point] = ()) -> None:
        """Make a new sampler of the caller's, and tell it all this."""
        del forgotten
        self._sampler = self._make(self._problem)
        for each in told:
            self._sampler.tell(each)
        for point in expected:
            self.expect(point)
