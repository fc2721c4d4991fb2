"""The budgets of the configs that are trained: pure arithmetic on a space's costs and limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from search_space_fixture import groups, space

from optimizer.costs.costs import linear_cost
from optimizer.recovery.students import HIGHEST, LOWEST, lean_budgets
from optimizer.search.space import Space


def with_floor(floor: float) -> Space:
    """Return the space with a cost of parameters, of which so large a part cannot be removed."""
    units = sum(group.units for group in groups())
    cost = linear_cost(groups(), {group.name: 1.0 for group in groups()}, dense=units / (1 - floor))
    known = space()
    return replace(known, costs={**known.costs, "parameters": cost})


def test_budgets_fall_by_equal_ratios() -> None:
    budgets = lean_budgets(with_floor(0.0), "parameters", 8)
    assert (budgets[0], budgets[-1]) == (pytest.approx(HIGHEST), pytest.approx(LOWEST))
    np.testing.assert_allclose(np.diff(np.log(budgets)), np.log(LOWEST / HIGHEST) / 7)


def test_no_budget_is_below_what_the_smallest_model_takes() -> None:
    budgets = lean_budgets(with_floor(0.4), "parameters", 8)
    assert 0.4 < budgets[-1] < 0.41
    assert budgets[0] == pytest.approx(np.sqrt(budgets[-1]))


@pytest.mark.parametrize(("limit", "highest"), [(0.2, 0.2), (0.9, HIGHEST), (0.01, LOWEST)])
def test_no_budget_is_above_a_limit_that_can_be_held(limit: float, highest: float) -> None:
    limited = replace(with_floor(0.0), limits={"parameters": limit})
    assert lean_budgets(limited, "parameters", 8)[0] == pytest.approx(highest)


def test_the_allocation_keeps_to_a_budget_of_any_cost() -> None:
    made = with_floor(0.1)
    ratios = [made.costs["parameters"].ratio(made.optimal(budget, "parameters")) for budget in (0.3, 0.15)]
    assert 0.25 < ratios[0] <= 0.3
    assert 0.12 < ratios[1] <= 0.15
