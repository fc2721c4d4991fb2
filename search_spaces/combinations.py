"""Combinations: what a block may be, one level of each of its groups, cut to those that no other one dominates.

The cost of a combination is that of all its levels together. Its harm is the sum of the groups' own harms, corrected by
what a few combinations were measured to do: harms of groups of one block do not add up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from search_spaces.allocation import Choices, FloatArray, IntArray
from search_spaces.blocks import Block
from search_spaces.groups import Group

INNER, MOST = 32, 64  # combinations that are kept of a part of a block, and of all of it
NOTHING = 1e-5  # harm below which one combination is as good as another
Price = Callable[[Mapping[str, int]], float]  # of the levels of a block's groups, those that it does not name dense


@dataclass(frozen=True, slots=True)
class Prices:
    """What each level of each group of a block adds to a cost, given the levels above it: `(levels…, levels)`.

    The dense level adds nothing.
    """

    added: tuple[FloatArray, ...]

    @classmethod
    def of(cls, block: Block, price: Price) -> Prices:
        """Return the prices that `price` gives, each asked for with all groups dense that are not above."""
        return cls(tuple(_added(block, place, price) for place in range(len(block.groups))))

    def total(self, block: Block, at: Sequence[int]) -> float:
        """Return what the levels at these places add to the dense block's cost, mostly below 0."""
        return sum(
            float(added[(*(at[above] for above in block.above(place)), at[place])])
            for place, added in enumerate(self.added)
        )

    def holds(self, block: Block, price: Price) -> bool:
        """Whether they are those of another block of this shape, by three of its combinations."""
        dense, sizes = price({}), [len(group.levels) for group in block.groups]
        tried = [[round(share * (size - 1)) for size in sizes] for share in (0.0, 0.4, 0.8)]
        return all(
            np.isclose(price(_levels(block, at)) - dense, self.total(block, at), rtol=1e-6, atol=1e-9 * abs(dense))
            for at in tried
        )


def mixed(parts: Sequence[tuple[float, Prices]]) -> Prices:
    """Return the prices of a weighted sum of costs."""
    each = zip(*(prices.added for _, prices in parts), strict=True)
    return Prices(tuple(sum(w * a for (w, _), a in zip(parts, one, strict=True)) for one in each))


@dataclass(frozen=True, slots=True)
class Correction:
    """How many times the sum of its groups' harms a combination's harm is, by that sum; both `(measured,)`."""

    sums: FloatArray
    harms: FloatArray

    @classmethod
    def of(cls, measured: Sequence[tuple[float, float]]) -> Correction:
        """Return the correction by (sum, measured harm) pairs, both above 0."""
        sums, harms = np.array(sorted(measured)).reshape(-1, 2).T
        return cls(sums, harms)

    def __call__(self, sums: FloatArray) -> FloatArray:
        """Return the corrected harms of combinations in the order of falling sums: they do not rise either."""
        if not len(self.sums):
            return sums
        seen = np.log(np.maximum(sums, np.finfo(np.float64).tiny))
        factors = np.exp(np.interp(seen, np.log(self.sums), np.log(self.harms / self.sums)))
        return np.asarray(np.minimum.accumulate(sums * factors))


NONE = Correction(np.zeros(0), np.zeros(0))


def choices(block: Block, prices: Prices, harms: Mapping[str, FloatArray], correction: Correction = NONE) -> Choices:
    """Return the efficient combinations of a block, cheapest first; the cheapest one costs 0."""
    own = [harms[group.name] for group in block.groups]
    found = _Lists(block, prices, own).of(0, ())
    at = np.stack([found.places[place] for place in range(len(block.groups))], axis=1)
    columns = [np.array(group.levels)[at[:, place]] for place, group in enumerate(block.groups)]
    return Choices(
        names=tuple(group.name for group in block.groups),
        levels=np.stack(columns, axis=1),
        cost=found.cost - found.cost.min(),
        harm=correction(found.harm),
    )


@dataclass(frozen=True, slots=True)
class _List:
    """Combinations of a part of a block: cost, harm, and by group the places of their levels, all `(combinations,)`."""

    cost: FloatArray
    harm: FloatArray
    places: Mapping[int, IntArray]

    def cut(self, most: int) -> _List:
        """Return those that no other one dominates, cheapest first, about `most` of them and both ends."""
        order = np.lexsort((self.harm, self.cost))
        best = np.minimum.accumulate(self.harm[order])
        keep = order[np.concatenate(([True], best[1:] < best[:-1]))]
        if len(keep) > most:
            way = _share(self.cost[keep]) + _share(-np.log(np.maximum(self.harm[keep], NOTHING)))
            stretch = np.floor(way / 2 * most)
            keep = keep[np.concatenate(([True], stretch[1:-1] != stretch[2:], [True]))]
        return _List(self.cost[keep], self.harm[keep], {place: each[keep] for place, each in self.places.items()})


class _Lists:
    """The lists of the parts of a block, from the leaves to the root."""

    def __init__(self, block: Block, prices: Prices, harms: Sequence[FloatArray]) -> None:
        self._block, self._prices, self._harms = block, prices, harms
        self._below = [block.below(place) for place in range(len(block.groups))]

    def of(self, place: int, above: tuple[int, ...]) -> _List:
        """Return the combinations of a group and all below it, given the places of the levels above."""
        cost, harm = self._prices.added[place][above], self._harms[place]
        if not self._below[place]:
            return _List(cost, harm, {place: np.arange(len(cost))}).cut(INNER)
        lists = [self._at(place, level, above, cost, harm) for level in range(len(cost))]
        places = {each: np.concatenate([one.places[each] for one in lists]) for each in lists[0].places}
        joined = _List(np.concatenate([e.cost for e in lists]), np.concatenate([e.harm for e in lists]), places)
        return joined.cut(INNER if above else MOST)

    def _at(self, place: int, level: int, above: tuple[int, ...], cost: FloatArray, harm: FloatArray) -> _List:
        merged = _List(cost[[level]], harm[[level]], {place: np.array([level])})
        for child in self._below[place]:
            merged = _merged(merged, self.of(child, (*above, level)))
        return merged


def _merged(one: _List, other: _List) -> _List:
    """Return every pair of two lists, cut."""
    cost, harm = (one.cost[:, None] + other.cost).ravel(), (one.harm[:, None] + other.harm).ravel()
    first = {place: np.repeat(each, len(other.cost)) for place, each in one.places.items()}
    second = {place: np.tile(each, len(one.cost)) for place, each in other.places.items()}
    return _List(cost, harm, first | second).cut(INNER)


def _share(rising: FloatArray) -> FloatArray:
    """Return how far between its first and last value each one is, 0 where they are equal."""
    return np.asarray((rising - rising[0]) / ((rising[-1] - rising[0]) or 1.0))


def _added(block: Block, place: int, price: Price) -> FloatArray:
    chain = [block.groups[above] for above in block.above(place)]
    group = block.groups[place]
    sizes = [len(each.levels) for each in (*chain, group)]
    totals = np.array([price(dict(zip(_names(chain, group), levels, strict=True))) for levels in _all(chain, group)])
    totals = totals.reshape(sizes)
    return np.asarray(totals - totals[..., -1:])


def _names(chain: Sequence[Group], group: Group) -> list[str]:
    return [each.name for each in (*chain, group)]


def _all(chain: Sequence[Group], group: Group) -> Iterator[tuple[int, ...]]:
    return product(*(each.levels for each in (*chain, group)))


def _levels(block: Block, at: Sequence[int]) -> dict[str, int]:
    return {group.name: group.levels[place] for group, place in zip(block.groups, at, strict=True)}
