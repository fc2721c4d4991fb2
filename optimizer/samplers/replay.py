"""Replay: what all samplers share, the list of told candidates from which every ask starts.

A sampler keeps no other state. Chance comes from the study's seed and the numbers an ask is about, never from a
generator that lives on, so what was asked before cannot matter.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from optimizer.samplers.protocol import Point, Told, check_point

GENERATIONS = 10  # at least about ten are wanted, so a population is at most a tenth of the budget
SMALLEST_POPULATION = 8  # fewer parents hold too little of a front to cross
LARGEST_POPULATION = 200  # so that a generation follows from what the one before has found, in the longest study too
LOWEST = {"dimensions": 1, "seed": 0, "budget": 1, "objectives": 1, "constraints": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What a sampler knows of its study: the counts `make_sampler` documents, checked."""

    dimensions: int
    seed: int
    budget: int
    objectives: int
    constraints: int

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            if getattr(self, name) < LOWEST[name]:
                raise ValueError(f"{name} must be at least {LOWEST[name]}, got {getattr(self, name)}")

    @property
    def population(self) -> int:
        """The size of a generation of the genetic samplers."""
        return min(max(SMALLEST_POPULATION, round(self.budget / GENERATIONS)), LARGEST_POPULATION)

    def sequence(self, *numbers: int) -> np.random.SeedSequence:
        """Return the seed that belongs to these numbers: the same in every process and on every machine."""
        return np.random.SeedSequence(self.seed, spawn_key=numbers)

    def seed_of(self, number: int, attempt: int) -> int:
        """Return the seed of a generator of somebody else's for this ask."""
        return int(self.sequence(number, attempt).generate_state(1)[0])

    def uniform(self, number: int, attempt: int) -> Point:
        """Return a uniform point, the one that belongs to this ask."""
        rng = np.random.default_rng(self.sequence(number, attempt))
        return tuple(rng.random(self.dimensions).tolist())


class ReplaySampler(ABC):
    """A sampler whose only state is what it was told and what it expects, in order."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._told: Sequence[Told] = []
        self._expected: Sequence[Point] = []
        self._forgotten = 0

    @abstractmethod
    def ask(self, number: int, attempt: int = 0) -> Point:
        """Return a point in `[0, 1]^d` for candidate `number`; see `Sampler`."""

    def tell(self, told: Told) -> None:
        """Take note of a finished candidate. Raises `ValueError` where a count is not the study's."""
        _check_size("point", told.point, self._problem.dimensions)
        _check_size("losses", told.losses, self._problem.objectives)
        _check_size("violations", told.violations, self._problem.constraints)
        self._told = [*self._told, told]

    def expect(self, point: Point) -> None:
        """Take note of a candidate in flight."""
        _check_size("point", point, self._problem.dimensions)
        check_point(point)
        self._expected = [*self._expected, point]

    def recall(self, told: Sequence[Told], *, forgotten: int = 0, expected: Sequence[Point] = ()) -> None:
        """Be as a new sampler that was told exactly this, and expects these points. The sequences are not copied."""
        self._told, self._forgotten, self._expected = told, forgotten, expected

    @property
    def _generation(self) -> int:
        """The current generation: one ends when as many candidates as a population holds were told."""
        return (self._forgotten + len(self._told)) // self._problem.population

    @property
    def _ancestors(self) -> Sequence[Told]:
        """Everything told before the current generation; its parents are the best of all these.

        So a ladder longer than a population is one first generation (what is left over joins the next one), and
        nothing good is ever forgotten.
        """
        return self._told[: self._generation * self._problem.population - self._forgotten]


def _check_size(name: str, vector: Sequence[float], size: int) -> None:
    if len(vector) != size:
        raise ValueError(f"{name}: expected {size} numbers, got {tuple(vector)}")
