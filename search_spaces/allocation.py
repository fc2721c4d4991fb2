"""Allocation: which level each group gets, when every level has a price and a harm and both add up over groups.

The problem is a multiple-choice knapsack (Kellerer et al. 2004, ch. 11). Groups are merged one by one, keeping only
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


class Allocation:
    """All choices of one level per group that no other choice dominates, cheapest first.

    `costs` and `harms`: `(choices,)`; harms descend, costs ascend but for ties within a step.
    """

    def __init__(self, groups: Sequence[Group], tables: Mapping[str, Table]) -> None:
        self._groups = tuple(groups)
        self._step = sum(float(tables[group.name].cost[-1]) for group in groups) / RESOLUTION or 1.0
        self._choices: list[tuple[IntArray, IntArray]] = []  # per group: index of the pair merged into, level index
        self.costs: FloatArray = np.zeros(1)
        self.harms: FloatArray = np.zeros(1)
        for group in self._groups:
            self._merge(tables[group.name])

    def within(self, budget: float) -> dict[str, int]:
        """Return group name -> level of the least harmful choice that costs at most `budget`.

        Where nothing is that cheap, the cheapest choice is returned.
        """
        affordable = np.flatnonzero(self.costs <= budget * (1 + 1e-12))
        return self._levels(int(affordable[-1]) if len(affordable) else int(self.costs.argmin()))

    def _merge(self, table: Table) -> None:
        costs = (self.costs[:, None] + table.cost[None, :]).ravel()
        harms = (self.harms[:, None] + table.harm[None, :]).ravel()
        order = np.lexsort((costs, harms, np.floor(costs / self._step)))
        best = np.minimum.accumulate(harms[order])
        keep = order[np.concatenate(([True], best[1:] < best[:-1]))]
        self._choices.append((keep // len(table.cost), keep % len(table.cost)))
        self.costs, self.harms = costs[keep], harms[keep]

    def _levels(self, index: int) -> dict[str, int]:
        levels: dict[str, int] = {}
        for group, (parents, choices) in zip(reversed(self._groups), reversed(self._choices), strict=True):
            levels[group.name] = group.levels[int(choices[index])]
            index = int(parents[index])
        return {group.name: levels[group.name] for group in self._groups}
