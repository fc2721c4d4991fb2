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

RESOLUTION = 20_000  # steps that the dense cost is divided into; exact where costs are multiples of a step


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Cost and harm of every level of one group, in the order of its levels: both `(levels,)`, lower is better."""

    cost: FloatArray
    harm: FloatArray


class Allocation:
    """All non-dominated choices of one level per group, cheapest first."""

    def __init__(self, groups: Sequence[Group], tables: Mapping[str, Table]) -> None:
        self._groups = tuple(groups)
        self._step = sum(float(tables[group.name].cost[-1]) for group in groups) / RESOLUTION or 1.0
        self._choices: list[tuple[IntArray, IntArray]] = []  # per group: index of the pair merged into, level index
        costs: IntArray = np.zeros(1, dtype=np.int64)
        harms: FloatArray = np.zeros(1)
        for group in self._groups:
            costs, harms = self._merge(costs, harms, tables[group.name])
        self.costs: FloatArray = costs.astype(np.float64) * self._step  # ascending
        self.harms: FloatArray = harms  # descending

    def within(self, budget: float) -> dict[str, int]:
        """Return group name -> level of the least harmful choice that costs at most `budget`.

        Where nothing is that cheap, the cheapest choice is returned.
        """
        half_step = self._step / 2
        return self._levels(max(0, int(np.searchsorted(self.costs, budget + half_step, side="right")) - 1))

    def _merge(self, costs: IntArray, harms: FloatArray, table: Table) -> tuple[IntArray, FloatArray]:
        steps = np.rint(table.cost / self._step).astype(np.int64)
        all_costs = (costs[:, None] + steps[None, :]).ravel()
        all_harms = (harms[:, None] + table.harm[None, :]).ravel()
        order = np.lexsort((all_harms, all_costs))
        best = np.minimum.accumulate(all_harms[order])
        keep = order[np.concatenate(([True], best[1:] < best[:-1]))]
        self._choices.append((keep // len(steps), keep % len(steps)))
        return all_costs[keep], all_harms[keep]

    def _levels(self, index: int) -> dict[str, int]:
        levels: dict[str, int] = {}
        for group, (parents, choices) in zip(reversed(self._groups), reversed(self._choices), strict=True):
            levels[group.name] = group.levels[int(choices[index])]
            index = int(parents[index])
        return {group.name: levels[group.name] for group in self._groups}
