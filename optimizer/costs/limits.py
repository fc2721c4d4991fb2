"""Limits on costs: refused before the search where even the cheapest config exceeds one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from optimizer.costs.costs import Cost
from optimizer.errors import InputError
from search_spaces.groups import Group, config_of


def refuse_unreachable(limits: Mapping[str, float], costs: Mapping[str, Cost], groups: Sequence[Group]) -> None:
    """Raise `InputError` for a limit, a ratio to the dense model, that every config exceeds; it names the lowest ratio.

    Costs that are known only after measurement are skipped.
    """
    for name, limit in limits.items():
        if name in costs and (least := least_ratio(costs[name], groups)) > limit:
            raise InputError(
                f"limits.{name}_ratio",
                f"no config is within {limit:g}: with every group at its cheapest level the ratio is {least:.4g}. "
                f"Give at least {math.ceil(least * 1e4) / 1e4:g}",
            )


def least_ratio(cost: Cost, groups: Sequence[Group]) -> float:
    """Return the lowest ratio to the dense model's cost: that of the config with every group at its cheapest level."""
    return cost.ratio(config_of(groups, {g.name: g.levels[int(cost.of_levels(g).argmin())] for g in groups}))
