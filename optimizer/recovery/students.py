"""Students: the lean configs that are worth training, one at each of some budgets of the first cost."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from optimizer.recovery.recovery import Recovery
from optimizer.search.space import Space
from search_spaces.config import Config
from studies.records import Candidate, Origin

LOWEST, HIGHEST = 0.05, 0.3  # of the dense model's cost
MEAN_BUDGET = 0.14
ROOM = 1.02  # above the least cost there is
BELOW_LIMIT = 0.5  # of the largest budget within the limits: where accuracy is sought and no ε bounds it
NEAR = 0.9  # of a budget: what the search found from here on may take the place of the allocation


def students_of(recovery: Recovery, most: int) -> list[Config]:
    """Return at most so many configs, the most costly first, within the study's limits.

    In a study without ε the first budget is the largest within the limits. At each budget it is the allocation or a
    candidate of the search, whichever diverges least before training.
    """
    space, evaluator = recovery.prepared.space, recovery.prepared.evaluator
    if not isinstance(space, Space):
        raise TypeError("masked candidates are trained as they are evaluated")
    cost, is_cut = first_cost(recovery), recovery.spec.epsilon is not None
    budgets = lean_budgets(space, cost, most) if is_cut else _budgets_below_limits(space, cost, most)
    found = [c for c in recovery.store.candidates(recovery.study.id) if c.proposal.origin is not Origin.RECOVER]
    chosen = [min(_at(space, cost, budget, found), key=evaluator.divergence_of) for budget in budgets]
    return [config for config in dict.fromkeys(chosen) if space.within_limits(config)]


def first_cost(recovery: Recovery) -> str:
    """Return the name of the first objective whose value is known before a model is made."""
    space = recovery.prepared.space
    return next(name for name in (*recovery.spec.objectives, space.yardstick) if name in space.costs)


def lean_budgets(space: Space, cost: str, count: int) -> list[float]:
    """Return budgets at equal ratios, the highest first; none is below what the smallest model takes."""
    low = max(LOWEST, _least(space, cost))
    high = min(max(HIGHEST, math.sqrt(low)), space.limits.get(cost, 1.0))
    return [float(budget) for budget in np.geomspace(max(low, high), low, count)]


def _budgets_below_limits(space: Space, cost: str, count: int) -> list[float]:
    high = space.reach(cost)
    low = min(high, max(BELOW_LIMIT * high, _least(space, cost)))
    return [float(budget) for budget in np.geomspace(high, low, count)]


def _least(space: Space, cost: str) -> float:
    return ROOM * space.costs[cost].ratio(space.optimal(0.0, cost))


def _at(space: Space, cost: str, budget: float, found: Iterable[Candidate]) -> list[Config]:
    """Return the configs to choose from at a budget."""
    ratio = space.costs[cost].ratio
    near = (c.config for c in found if NEAR * budget < ratio(c.config) <= budget)
    return [space.optimal(budget, cost), *near]
