"""Importance: the groups whose levels explain most of the candidates' drops and costs.

Two figures per group, from the fully evaluated candidates of a study: its share of the variance that a random forest
over all levels explains (functional ANOVA, Hutter et al. 2014), and the rank correlation of its level alone. A search
changes groups together, so both figures can contain the effect of a correlated group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from objectives.statistics.main_effects import main_effects
from optimizer.views.member import Member, View

LEAST, MOST = 20, 300  # candidates: with fewer a forest learns nothing, and more only take time
METHOD = "share of variance by functional ANOVA of a random forest; rank correlation by Spearman"
DROP = "drop"
MEASURED_BY: Mapping[str, str] = {
    DROP: "drop",
    "flops": "flops",
    "latency": "latency_ratio",
    "energy": "energy_ratio",
    "parameters": "parameters",
    "size": "size_bytes",
    "memory": "memory_ratio",
    "bit_operations": "bit_operations",
}


class GroupImportance(View):
    """How much the level of a group explains a quantity; `share` in [0, 1], and the shares of all groups sum to 1."""

    group: str
    share: float
    rank_correlation: float | None  # in [-1, 1], with the number of units kept; None where either is constant


class Importance(View):
    """The importance of all groups for one quantity, largest share first; empty with too few candidates."""

    quantity: str
    n: int
    method: str
    groups: tuple[GroupImportance, ...]


def importances(members: Sequence[Member], costs: Sequence[str], *, whole: int) -> list[Importance]:
    """Return the importance of groups for the drop and for each cost, from members that saw `whole` examples."""
    complete = [member for member in members if member.seen >= whole]
    chosen = [complete[i] for i in np.linspace(0, len(complete) - 1, min(MOST, len(complete)), dtype=int)]
    return [_importance(chosen, quantity) for quantity in dict.fromkeys((DROP, *costs))]


def _importance(members: Sequence[Member], quantity: str) -> Importance:
    value = attrgetter(MEASURED_BY[quantity]) if quantity in MEASURED_BY else partial(_own, quantity)
    known = [member for member in members if value(member) is not None]
    values = np.array([value(member) for member in known], dtype=np.float64)
    levels, method = _levels([member.levels for member in known])
    varied = {name: level for name, level in levels.items() if np.ptp(level) > 0}
    has_enough = len(known) >= LEAST and bool(varied) and np.ptp(values) > 0
    table = np.column_stack(list(varied.values())) if has_enough else None
    shares = {} if table is None else dict(zip(varied, main_effects(table, values, seed=0).tolist(), strict=True))
    groups = [
        GroupImportance(group=name, share=shares.get(name, 0.0), rank_correlation=_correlation(level, values))
        for name, level in levels.items()
    ]
    ranked = sorted(groups, key=lambda one: -one.share) if has_enough else []
    return Importance(quantity=quantity, n=len(known), method=method, groups=tuple(ranked))


def _levels(configs: Sequence[Mapping[str, int]]) -> tuple[dict[str, NDArray[np.int_]], str]:
    """Return the levels `(n,)` of the groups that every config names, and the method, with the groups left out."""
    named = list(dict.fromkeys(name for config in configs for name in config))
    shared = [name for name in named if all(name in config for config in configs)]
    missing = [name for name in named if name not in shared]
    note = f"; left out, since some candidates have no level of it: {', '.join(missing)}" if missing else ""
    return {name: np.array([config[name] for config in configs]) for name in shared}, METHOD + note


def _own(quantity: str, member: Member) -> float | None:
    return member.own.get(quantity)


def _correlation(level: NDArray[np.int_], values: NDArray[np.float64]) -> float | None:
    from scipy.stats import spearmanr

    if np.ptp(level) == 0 or np.ptp(values) == 0:
        return None
    return round(float(spearmanr(level, values).statistic), 4)
