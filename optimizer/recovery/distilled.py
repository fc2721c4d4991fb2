"""Distillation below the shortlist: what training makes of configs that are too lean to hold without it.

The leanest trained model is seldom the leanest untrained one, trained. So configs are allocated anew at falling
budgets, and each learns the dense model's answers. The first that breaks ε on the search examples ends the descent,
and one more is tried between it and the last that held.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from optimizer.feasible import is_feasible
from optimizer.progress import Report
from optimizer.recovery.classroom import Classroom
from optimizer.recovery.recovery import Recovery
from optimizer.search.space import Space
from optimizer.shortlist import standard_error
from studies.records import Candidate, Origin, Proposal

BUDGETS = (0.34, 0.24, 0.17, 0.12, 0.085, 0.06)  # of the dense FLOPs, each 0.7 of the one before


def distill_budgets(recovery: Recovery, shortlist: Sequence[Candidate], report: Report) -> list[Candidate]:
    """Return the candidates to verify: those of `shortlist`, and the recovered ones within ε, leanest first."""
    space = recovery.prepared.space
    if not isinstance(space, Space):
        raise TypeError("masked candidates are trained as they are evaluated")
    classroom, recovered = Classroom(recovery), list[Candidate]()
    steps = classroom.steps * (len(BUDGETS) + 1)

    def is_within(budget: float) -> bool:
        """Recover the config of a budget, and return whether it may hold."""
        done = classroom.steps * len(recovered)
        parent = recovery.evaluated(Proposal(config=space.optimal(budget), origin=Origin.RECOVER))
        learned = recovery.recovered(
            parent, lambda model: classroom.teach(model, parent, lambda step: report(done + step, steps))
        )
        recovered.append(learned)
        return _may_hold(learned, recovery.spec.epsilon)

    held = 1.0
    for budget in _budgets(space):
        if not is_within(budget):
            is_within(math.sqrt(held * budget))
            break
        held = budget
    report(steps, steps)
    classroom.close()
    holding = {c.number: c for c in recovered if is_feasible(c, recovery.spec.epsilon)}
    return sorted([*shortlist, *holding.values()], key=lambda c: space.costs[space.yardstick].ratio(c.config))


def _budgets(space: Space) -> list[float]:
    """Return the budgets within the limits, of those that give the same config the first."""
    budgets = {space.optimal(budget): budget for budget in reversed(BUDGETS)}
    return [budget for config, budget in reversed(budgets.items()) if space.within_limits(config)]


def _may_hold(candidate: Candidate, epsilon: float) -> bool:
    """Whether the drop on the search examples is at most a standard error above ε."""
    drop = None if candidate.outcome is None else candidate.outcome.drop
    return drop is not None and drop <= epsilon + standard_error(candidate)
