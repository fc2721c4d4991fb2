from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.allocation import RESOLUTION, Allocation, Table
from search_spaces.groups import Group, GroupKind


def group(name: str, levels: int) -> Group:
    return Group(
        name=name,
        kind=GroupKind.NEURONS,
        layer=0,
        units=levels - 1,
        unit_size=1,
        levels=tuple(range(levels)),
        producers=(),
        consumers=(),
    )


TABLES = st.lists(
    st.lists(st.tuples(st.integers(0, 9), st.floats(0, 10, width=32)), min_size=2, max_size=4), min_size=1, max_size=4
)


@given(TABLES, st.floats(0, 1.2))
def test_the_allocation_is_the_best_of_all_choices(rows: list[list[tuple[int, float]]], share: float) -> None:
    groups = [group(f"g{i}", len(row)) for i, row in enumerate(rows)]
    tables = {
        g.name: Table(
            cost=np.array(sorted(cost for cost, _ in row), dtype=float),
            harm=np.array(sorted((harm for _, harm in row), reverse=True), dtype=float),
        )
        for g, row in zip(groups, rows, strict=True)
    }
    budget = share * sum(float(table.cost[-1]) for table in tables.values())
    chosen = Allocation.over(groups, tables).within(budget)
    harm = sum(tables[name].harm[level] for name, level in chosen.items())
    cost = sum(tables[name].cost[level] for name, level in chosen.items())
    worlds = [
        (sum(tables[g.name].cost[i] for g, i in zip(groups, choice, strict=True)), choice)
        for choice in itertools.product(*(range(len(row)) for row in rows))
    ]
    affordable = [choice for price, choice in worlds if price <= budget]
    if not affordable:
        assert cost == pytest.approx(min(price for price, _ in worlds))
        return
    best = min(sum(tables[g.name].harm[i] for g, i in zip(groups, choice, strict=True)) for choice in affordable)
    assert cost <= budget * (1 + 1e-3) + 1e-9
    assert harm <= best + 1e-6


def test_a_larger_budget_never_harms_more() -> None:
    rng = np.random.default_rng(0)
    groups = [group(f"g{i}", 25) for i in range(12)]
    tables = {
        g.name: Table(cost=np.arange(25.0) * rng.uniform(1, 3), harm=np.sort(rng.exponential(size=25))[::-1])
        for g in groups
    }
    allocation = Allocation.over(groups, tables)
    assert np.all(np.diff(allocation.costs) > -allocation.costs[-1] / RESOLUTION)
    assert np.all(np.diff(allocation.harms) < 0)
    assert allocation.within(allocation.costs[-1]) == {g.name: 24 for g in groups}
