"""Allocation: what each block of a model becomes, when every choice has a price and a harm and both add up over blocks.

A block is a group with its levels, or several groups with combinations of their levels. The problem is a
multiple-choice knapsack (Kellerer et al. 2004, ch. 11). Blocks are merged one by one, keeping only
the (cost, harm) pairs that no other pair dominates, so one pass answers every budget exactly, up to a rounding of the
costs that bounds the number of pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search_spaces.groups import Group

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

RESOLUTION = 20_000  # steps of the dense cost; of pairs within one step only the less harmful is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Cost and harm of every level of one group, in the order of its levels: both `(levels,)`, lower is better."""

    cost: FloatArray
    harm: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What one block of a model may be: `levels` `(choices, groups)` of the groups named, with cost and harm of each.

    `cost` and `harm` are `(choices,)`, lower is better; the last choice costs most.
    """

    names: tuple[str, ...]
    levels: IntArray
    cost: FloatArray
    harm: FloatArray

    @classmethod
    def of(cls, group: Group, table: Table) -> Choices:
        """Return the levels of a group that is a block of its own."""
        return cls(names=(group.name,), levels=np.array(group.levels)[:, None], cost=table.cost, harm=table.harm)

    def at(self, index: int) -> dict[str, int]:
        """Return group name -> level of one choice."""
        return dict(zip(self.names, self.levels[index].tolist(), strict=True))


class Allocation:
    """All selections of one choice per block that no other selection dominates, cheapest first.

    `costs` and `harms`: `(selections,)`; harms descend, costs ascend but for ties within a step.
    """

    def __init__(self, blocks: Sequence[Choices], *, resolution: int = RESOLUTION) -> None:
        self._blocks = tuple(blocks)
        self._step = sum(float(block.cost[-1]) for block in blocks) / resolution or 1.0
        self._chosen: list[tuple[IntArray, IntArray]] = []  # per block: index of the pair merged into, of the choice
        self.costs: FloatArray = np.zeros(1)
        self.harms: FloatArray = np.zeros(1)
        for block in self._blocks:
            self._merge(block)

    @classmethod
    def over(cls, groups: Sequence[Group], tables: Mapping[str, Table]) -> Allocation:
        """Return the allocation over groups whose costs add up, each of which is a block of its own."""
        return cls([Choices.of(group, tables[group.name]) for group in groups])

    def within(self, budget: float) -> dict[str, int]:
        """Return group name -> level of the least harmful selection that costs at most `budget`.

        Where nothing is that cheap, the cheapest selection is returned.
        """
        affordable = np.flatnonzero(self.costs <= budget * (1 + 1e-12))
        return self._levels(int(affordable[-1]) if len(affordable) else int(self.costs.argmin()))

    def harming(self, most: float) -> dict[str, int]:
        """Return group name -> level of the cheapest selection of at most so much harm, else of the least harmful."""
        return self._levels(min(int(np.searchsorted(-self.harms, -most)), len(self.harms) - 1))

    def _merge(self, block: Choices) -> None:
        costs = (self.costs[:, None] + block.cost[None, :]).ravel()
        harms = (self.harms[:, None] + block.harm[None, :]).ravel()
        order = np.lexsort((costs, harms, np.floor(costs / self._step)))
        best = np.minimum.accumulate(harms[order])
        keep = order[np.concatenate(([True], best[1:] < best[:-1]))]
        self._chosen.append((keep // len(block.cost), keep % len(block.cost)))
        self.costs, self.harms = costs[keep], harms[keep]

    def _levels(self, index: int) -> dict[str, int]:
        found: list[dict[str, int]] = []
        for block, (parents, chosen) in zip(reversed(self._blocks), reversed(self._chosen), strict=True):
            found.append(block.at(int(chosen[index])))
            index = int(parents[index])
        return {name: level for levels in reversed(found) for name, level in levels.items()}
