"""What a sampler is: ask for a point of the unit cube, tell what it was worth. It never sees a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

Point = tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a finished candidate was worth.

    `losses`: `(m,)`, lower is better, finite (the drop first, then the costs that steer).
    `violations`: `(c,)`, a constraint holds where its value is <= 0; each is scaled by its own limit.
    `number`: the candidate's number in the study. `point`: `(d,)`, in the unit cube.
    Raises `ValueError` where a value is not finite or the point is outside the cube.
    """

    number: int
    point: Point
    losses: tuple[float, ...]
    violations: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_point(self.point)
        check_finite("losses", self.losses)
        check_finite("violations", self.violations)

    @property
    def is_feasible(self) -> bool:
        """Whether every constraint holds."""
        return all(violation <= 0 for violation in self.violations)


def check_point(point: Point) -> None:
    """Raise `ValueError` for a point outside the cube."""
    if not all(0 <= coordinate <= 1 for coordinate in point):
        raise ValueError(f"point: every coordinate must be in [0, 1], got {point}")


def check_finite(name: str, values: Sequence[float]) -> None:
    """Raise `ValueError` for NaN and infinity."""
    if not all(map(math.isfinite, values)):
        raise ValueError(f"{name}: expected finite numbers, got {tuple(values)}")


class AskAndTell(Protocol):
    """Proposes points of `[0, 1]^d`.

    `ask(number, attempt)` is a pure function of what the sampler was built with (dimensions, seed, budget), of
    everything told so far in the order it was told, and of its two arguments: two samplers told the same answer the
    same, regardless of earlier asks, and asking changes nothing. So a killed study resumes undisturbed.
    `attempt` counts the proposals for this number that were duplicates.

    Candidates in flight are expected, in the order of their numbers, after all that was told. What a sampler makes of
    them is its own rule: TPE takes them for bad ones (constant liar), Gaussian processes for as good as they predict,
    random search and the genetic samplers take no notice; a point whose config is in flight is asked for again.
    """

    def ask(self, number: int, attempt: int = 0) -> Point:
        """Return a point in `[0, 1]^d` for candidate `number`."""

    def tell(self, told: Told) -> None:
        """Take note of a finished candidate (or of a duplicate's stored result).

        Raises `ValueError` where a count is not the study's.
        """

    def expect(self, point: Point) -> None:
        """Take note of a candidate in flight. Raises `ValueError` where the point is outside the cube."""


class Sampler(AskAndTell, Protocol):
    """A sampler that can begin again, from what a study holds by now."""

    def recall(self, told: Sequence[Told], *, forgotten: int = 0, expected: Sequence[Point] = ()) -> None:
        """Be as a new sampler that was told exactly this in this order, and expects these points.

        `forgotten` counts candidates that were told before, of which it knows nothing more.
        """
