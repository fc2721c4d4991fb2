"""A priced block: one block of a model with what its combinations cost and harm, and the steps from one to another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product

import numpy as np

from search_spaces.allocation import Choices, FloatArray
from search_spaces.blocks import Block
from search_spaces.combinations import NONE, Correction, Prices, choices
from search_spaces.moves import REACH, Step, near

STEPS = 8  # that make a block cheaper, and as many that make it dearer: the smallest of the efficient ones


@dataclass(frozen=True)
class PricedBlock:
    """A block with the prices of its levels and the `harms` of its groups by name, one for each level."""

    block: Block
    prices: Prices
    harms: Mapping[str, FloatArray]
    correction: Correction = NONE

    @cached_property
    def choices(self) -> Choices:
        """Its efficient combinations, cheapest first."""
        return choices(self.block, self.prices, self.harms, self.correction)

    def cost(self, at: Sequence[int]) -> float:
        """Return what the levels at these places, one of each group, add to the cost of the dense block."""
        return self.prices.total(self.block, at)

    def harm(self, at: Sequence[int]) -> float:
        """Return the harm of the levels at these places."""
        total = sum(float(self.harms[group.name][place]) for group, place in zip(self.block.groups, at, strict=True))
        return float(self.correction(np.array([total]))[0])

    def steps(self, levels: Mapping[str, int]) -> list[Step]:
        """Return the efficient steps from some levels, the smallest ones.

        A step moves one group, or one of each of two transforms, by up to `REACH` levels, or takes another of the
        efficient combinations that cost about as much.
        """
        at = self._places(levels)
        base = self.cost(at), self.harm(at)
        found = {other: (self.cost(other) - base[0], self.harm(other) - base[1]) for other in self._near(at, base[0])}
        ordered = sorted(found, key=lambda other: found[other])
        efficient = list(_falling(ordered, found))
        cheaper = [other for other in efficient if found[other][0] < 0][-STEPS:]
        dearer = [other for other in efficient if found[other][0] >= 0][:STEPS]
        return [self._step(at, other, *found[other]) for other in [*cheaper, *dearer]]

    def _near(self, at: tuple[int, ...], cost: float) -> Iterator[tuple[int, ...]]:
        groups = self.block.groups
        singles = [[(place, other) for other in near(at[place], len(g.levels))] for place, g in enumerate(groups)]
        pairs = (
            pair
            for (one, steps), (two, others) in combinations(enumerate(singles), 2)
            if groups[one].under != groups[two].under
            for pair in product(steps, others)
        )
        for changes in (*((step,) for steps in singles for step in steps), *pairs):
            changed = dict(changes)
            yield tuple(changed.get(place, each) for place, each in enumerate(at))
        yield from self._combinations_near(at, cost)

    def _combinations_near(self, at: tuple[int, ...], cost: float) -> Iterator[tuple[int, ...]]:
        middle = int(np.searchsorted(self.choices.cost, cost - self._cheapest))
        for index in range(max(0, middle - REACH), min(len(self.choices.cost), middle + REACH + 1)):
            other = self._places(self.choices.at(index))
            if other != at:
                yield other

    @cached_property
    def _cheapest(self) -> float:
        return self.cost(self._places(self.choices.at(0)))

    def _places(self, levels: Mapping[str, int]) -> tuple[int, ...]:
        return tuple(group.levels.index(levels[group.name]) for group in self.block.groups)

    def _step(self, at: Sequence[int], other: Sequence[int], cost: float, harm: float) -> Step:
        pairs = zip(self.block.groups, at, other, strict=True)
        levels = {group.name: group.levels[new] for group, old, new in pairs if old != new}
        return Step(block=self.block.groups[0].name, levels=levels, cost=cost, harm=harm)


def _falling(
    ordered: Sequence[tuple[int, ...]], found: Mapping[tuple[int, ...], tuple[float, float]]
) -> Iterator[tuple[int, ...]]:
    """Yield those, cheapest first, that harm less than all before them."""
    least = float("inf")
    for other in ordered:
        if found[other][1] < least:
            least = found[other][1]
            yield other
