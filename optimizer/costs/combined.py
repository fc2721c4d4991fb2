"""What combinations of several transforms cost and harm: prices of blocks, and the harms that do not add up."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from optimizer.costs.costs import Cost
from optimizer.costs.sensitivity import FLOOR
from search_spaces.blocks import Block
from search_spaces.combinations import NONE, Correction, Price, Prices
from search_spaces.config import Config, Levels
from search_spaces.groups import Group, dense_config
from search_spaces.priced import PricedBlock

TARGETS = (3e-3, 1e-2, 3e-2, 1e-1)  # summed harms of the combinations that are measured, one pass each per block
Passes = Callable[
    [Mapping[str, int]], float
]  # levels of some groups -> divergence of the model with only those reduced


def block_prices(blocks: Sequence[Block], groups: Sequence[Group], cost: Cost, own: Collection[str]) -> list[Prices]:
    """Return what the levels of every block add to a cost.

    `own` names the groups whose cost the family knows, of which it is asked about all at once. Blocks of equal shape
    are priced once, and the prices are tried on each of the others.
    """
    known, price = dict[object, Prices](), _price_of(groups, cost, own)
    found = []
    for block in blocks:
        alike = known.get(block.shape)
        if alike is None or not alike.holds(block, price):
            alike = known[block.shape] = Prices.of(block, price)
        found.append(alike)
    return found


def measure_combinations(
    priced: Sequence[PricedBlock],
    divergence_of: Passes,
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Correction]:
    """Return the correction of every block's harms, from `len(TARGETS)` passes at most for each."""
    wanted = [_wanted(block) for block in priced]
    total, done, found = sum(map(len, wanted)), 0, []
    for levels_by_sum in wanted:
        pairs = []
        for summed, levels in levels_by_sum.items():
            pairs.append((summed, max(divergence_of(levels), FLOOR)))
            progress(done := done + 1, total)
        found.append(Correction.of(pairs) if pairs else NONE)
    return found


def _wanted(block: PricedBlock) -> dict[float, dict[str, int]]:
    """Return the efficient combinations of several transforms nearest to the targets, by the sums of their harms."""
    choices, dense = block.choices, np.array([group.units for group in block.block.groups])
    unders = np.array([group.under for group in block.block.groups])
    several = [len({*unders[levels != dense]}) > 1 for levels in choices.levels]
    usable = np.flatnonzero(np.array(several) & (choices.harm > FLOOR))
    if not len(usable):
        return {}
    distance = np.abs(np.log(choices.harm[usable])[:, None] - np.log(TARGETS))
    nearest = sorted({int(usable[place]) for place in distance.argmin(axis=0)})
    return {float(choices.harm[index]): choices.at(index) for index in nearest}


def _price_of(groups: Sequence[Group], cost: Cost, own: Collection[str]) -> Price:
    """Return the cost of a config that names, beside the family's own groups, those alone whose levels are given.

    What dense ones add is no part of a difference.
    """
    dense = dense_config(groups)
    return lambda levels: cost.total(_restricted(dense, {*own, *levels}).replaced(levels))


def _restricted(config: Config, names: Collection[str]) -> Config:
    def some(levels: Levels) -> Levels:
        return tuple((name, level) for name, level in levels if name in names)

    return replace(config, kept=some(config.kept), more=tuple((under, some(each)) for under, each in config.more))
