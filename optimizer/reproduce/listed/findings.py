"""Findings: what a table of costs says of pruning, the published one and ours alike.

A published value counts as it is printed. Of ours an order is shown where the intervals do not overlap.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from objectives.metrics.correlation import spearman
from optimizer.measuring.ratios import Ratio, order
from optimizer.reproduce.listed.preset import ListedPreset
from optimizer.reproduce.listed.rows import BatchRow, ListedRow

Z_95 = 1.959964
NOTHING = Ratio.alone(1.0)  # what pruning nothing costs


class Cell(NamedTuple):
    """A pruned network at a batch size."""

    model: str
    distribution: str
    ratio: int
    batch: int


Grid = Mapping[Cell, Ratio]  # a cost relative to the unpruned network's


class Tally(NamedTuple):
    """Of so many comparisons, how many show an order, and how many the opposite."""

    shown: int
    reversed: int
    of: int

    @classmethod
    def of_signs(cls, signs: Sequence[int]) -> Tally:
        """Return the tally of signs: 1 shows it, -1 the opposite, 0 neither."""
        return cls(signs.count(1), signs.count(-1), len(signs))

    @property
    def in_words(self) -> str:
        """The tally."""
        if not self.of:
            return "none, since none was timed"
        undecided = self.of - self.shown - self.reversed
        return f"{self.shown} of {self.of}, the opposite in {self.reversed}, neither in {undecided}"


def published_grid(preset: ListedPreset, model: str) -> dict[Cell, Ratio]:
    """Return the published energies of a network."""
    network = preset.network(model)
    return {
        Cell(model, series.distribution, ratio, batch): Ratio.alone(series.energy_j[at][place] / network.energy_j[at])
        for series in network.series
        for at, batch in enumerate(preset.batch_sizes)
        for place, ratio in enumerate(preset.ratios)
    }


def measured_grid(rows: Sequence[ListedRow], cost: Callable[[BatchRow], Ratio]) -> dict[Cell, Ratio]:
    """Return our costs of the networks that were timed."""
    return {
        Cell(row.model, row.distribution, row.ratio, each.batch): cost(each) for row in rows for each in row.batches
    }


def dearer(grid: Grid) -> Tally:
    """Return how many networks cost more than the unpruned one."""
    return Tally.of_signs([order(cost, NOTHING) for cost in grid.values()])


def dearer_steps(grid: Grid, ratios: Sequence[int]) -> Tally:
    """Return in how many steps from one ratio to the next, the first from nothing, pruning more costs more."""
    before = {after: ratio for ratio, after in pairwise((0, *ratios))}
    signs = []
    for cell, cost in grid.items():
        ratio = before[cell.ratio]
        less = grid.get(cell._replace(ratio=ratio)) if ratio else NOTHING
        if less is not None:
            signs.append(order(cost, less))
    return Tally.of_signs(signs)


def cheapest(grid: Grid, distribution: str, ratio: int) -> Tally:
    """Return at how many batch sizes a distribution costs less than every other one at a ratio."""
    signs = []
    for cell, cost in grid.items():
        if (cell.distribution, cell.ratio) == (distribution, ratio):
            others = [
                found for at, found in grid.items() if at != cell and at._replace(distribution=distribution) == cell
            ]
            signs += [min(order(found, cost) for found in others)] if others else []
    return Tally.of_signs(signs)


def beyond(grid: Grid, distribution: str, ratio: int, after: int) -> Tally:
    """Return at how many batch sizes the next ratio costs more than this one."""
    at = {cell.batch: cost for cell, cost in grid.items() if (cell.distribution, cell.ratio) == (distribution, ratio)}
    then = {cell.batch: cost for cell, cost in grid.items() if (cell.distribution, cell.ratio) == (distribution, after)}
    return Tally.of_signs([order(then[batch], cost) for batch, cost in at.items() if batch in then])


def rank_correlation(costs: Sequence[float], sizes: Sequence[float]) -> Ratio | None:
    """Return Spearman's correlation with its 95 % interval (Fieller et al. 1957), None for fewer than five pairs."""
    if len(costs) < 5:
        return None
    weights = np.ones((1, len(costs)))
    found = float(spearman(np.asarray(costs), np.asarray(sizes), weights)[0])
    if abs(found) >= 1:
        return Ratio.alone(found)
    half = Z_95 * math.sqrt(1.06 / (len(costs) - 3))
    centre = math.atanh(found)
    return Ratio(value=found, lower=math.tanh(centre - half), upper=math.tanh(centre + half))
