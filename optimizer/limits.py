"""Limits on costs: refused before the search where not even the cheapest config keeps one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from optimizer.costs import Cost
from optimizer.errors import InputError
from search_spaces.config import Config
from search_spaces.groups import Group


def refuse_unreachable(limits: Mapping[str, float], costs: Mapping[str, Cost], groups: Sequence[Group]) -> None:
    """Raise `InputError` for a limit, a ratio to the dense model, that no config keeps; it names the least possible.

    Costs that are not known beforehand are passed over.
    """
    for name, limit in limits.items():
        if name in costs and (least := least_ratio(costs[name], groups)) > limit:
            raise InputError(
                f"--max-{name}-ratio",
                f"no config is within {limit:g}: with every group at its cheapest the ratio is {least:.4g}. "
                f"Give at least {math.ceil(least * 1e4) / 1e4:g}",
            )


def least_ratio(cost: Cost, groups: Sequence[Group]) -> float:
    """Return the cost, as a ratio to the dense model's, of the config that has every group at its cheapest level."""
    return cost.ratio(Config.of({g.name: g.levels[int(cost.of_levels(g).argmin())] for g in groups}))
