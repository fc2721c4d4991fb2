"""Leaders: which students of a rung are trained further.

They are those of a front in (cost, drop on the search examples): a student that another one clearly beats ends. Where
more are left than there are places, the leanest stays and the others are taken far apart in cost.

Reference: Schmucker et al. 2021, Multi-objective Asynchronous Successive Halving, https://arxiv.org/abs/2106.12639,
whose choice of points far apart did best.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A student at the end of a rung: its cost as a ratio, its drop and the standard error of that."""

    cost: float
    drop: float
    error: float


def leaders(standings: Sequence[Standing], places: int, epsilon: float) -> list[int]:
    """Return the indices of at most `places` students to train further, in ascending order.

    Those whose drop is at most a standard error above ε come first, then those that are nearest to it. Where every drop
    is tolerated, `epsilon` is infinite, and they are those with the smallest drops.
    """
    everyone = range(len(standings))
    if math.isinf(epsilon):
        return sorted(sorted(everyone, key=lambda i: standings[i].drop)[:places])
    holding = [i for i in everyone if standings[i].drop <= epsilon + standings[i].error]
    front = [i for i in holding if not any(_beats(standings[j], standings[i]) for j in holding)]
    chosen = _far_apart(front, [each.cost for each in standings], places)
    rest = sorted((i for i in everyone if i not in front), key=lambda i: (i not in holding, standings[i].drop))
    return sorted([*chosen, *rest[: places - len(chosen)]])


def _beats(one: Standing, other: Standing) -> bool:
    """Whether one costs less, and loses less by more than a standard error."""
    return one.cost < other.cost and one.drop + max(one.error, other.error) < other.drop


def _far_apart(indices: Sequence[int], costs: Sequence[float], places: int) -> list[int]:
    """Return the cheapest, then each time the one whose cost has the largest ratio to all that are chosen."""
    left = sorted(indices, key=lambda i: costs[i])
    chosen, left = left[:1], left[1:]
    while left and len(chosen) < places:
        furthest = max(left, key=lambda i: min(abs(math.log(costs[i] / costs[j])) for j in chosen))
        left.remove(furthest)
        chosen.append(furthest)
    return chosen
