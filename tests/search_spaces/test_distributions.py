from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from search_space_fixture import groups
from tiny_encoders import tiny

from search_spaces.allocation import Allocation, Table
from search_spaces.config import Form
from search_spaces.distributions import Classic, TemperedSpace, by_kind, classic, with_mean
from search_spaces.groups import GroupKind, check_config
from search_spaces.layouts.named import named_layout
from search_spaces.moves import REACH, moves, steps_from

POINTS = st.tuples(*[st.floats(0, 1)] * 4)


GROUPS = groups(6, neurons=1536, step=64)
TABLES = {
    g.name: Table(
        cost=np.array(g.levels, dtype=float) * (32 if g.kind is GroupKind.HEADS else 1),
        harm=(g.layer + 1) * np.exp(-5 * np.array(g.levels) / g.units),
    )
    for g in GROUPS
}
SPACE = TemperedSpace(GROUPS, {k: Allocation.over(m, TABLES) for k, m in by_kind(GROUPS).items()}, Form.RECONSTRUCTED)


@given(arrays.arrays(float, st.integers(1, 9), elements=st.floats(-3, 3)), st.floats(0, 1))
def test_shares_keep_their_mean_inside_the_bounds(shares: np.ndarray, mean: float) -> None:
    shifted = with_mean(shares, mean)
    assert shifted.min() >= 0
    assert shifted.max() <= 1
    assert shifted.mean() == pytest.approx(mean, abs=1e-6)


@pytest.mark.parametrize("distribution", list(Classic))
@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.8])
def test_classic_distributions_keep_the_ratio_and_tilt_as_they_are_named(distribution: Classic, ratio: float) -> None:
    kept = classic(GROUPS, ratio, distribution, Form.SLICED).as_dict()
    shares = np.array([kept[f"layer.{layer}.neurons"] / 1536 for layer in range(6)])
    assert shares.mean() == pytest.approx(ratio, abs=0.03)
    first, middle, last = shares[0], shares[2:4].mean(), shares[-1]
    assert {
        Classic.UNIFORM: np.ptp(shares) == 0,
        Classic.BOTTOM_UP: first > middle > last,
        Classic.TOP_DOWN: first < middle < last,
        Classic.MIDDLE: first > middle < last,
        Classic.ENDS: first < middle > last,
    }[distribution]


@given(POINTS)
def test_every_point_is_a_config_of_the_space(point: tuple[float, ...]) -> None:
    check_config(SPACE.config(point), GROUPS)


def test_every_kind_of_group_has_a_ratio_of_its_own() -> None:
    ranks = [
        replace(g, name=f"{g.name}.rank", kind="rank", under="rank") for g in GROUPS if g.kind is GroupKind.NEURONS
    ]
    groups = (*GROUPS, *ranks)
    tables = {**TABLES, **{g.name: TABLES[g.name.removesuffix(".rank")] for g in ranks}}
    space = TemperedSpace(
        groups, {k: Allocation.over(m, tables) for k, m in by_kind(groups).items()}, Form.RECONSTRUCTED
    )
    assert (space.dimensions, SPACE.dimensions) == (5, 4)
    config = space.config((1.0, 0.5, 0.25, 0.0, 0.5))
    check_config(config, groups)
    kept = {kind: sum(config.levels[g.name] for g in members) for kind, members in by_kind(groups).items()}
    assert kept["heads"] > 0.9 * 72
    assert kept["rank"] < 0.6 * kept["neurons"]
    assert space.point(config, temperature=0.0)[:3] == pytest.approx((1.0, 0.5, 0.25), abs=0.03)
    assert space.drawn((0.5, 0.5, 0.5, 1.0, 1.0), 0.5) == (0.25, 0.25, 0.25, 1.0, 1.0)


def test_temperature_goes_from_uniform_to_the_allocation_by_sensitivity() -> None:
    optimal = {
        **SPACE._allocations[GroupKind.HEADS].within(0.5 * SPACE._allocations[GroupKind.HEADS].costs[-1]),
        **SPACE._allocations[GroupKind.NEURONS].within(0.5 * SPACE._allocations[GroupKind.NEURONS].costs[-1]),
    }
    uniform = classic(GROUPS, 0.5, Classic.UNIFORM, Form.RECONSTRUCTED)
    cold = SPACE.config(SPACE.point(uniform, temperature=0.0))
    warm = SPACE.config(SPACE.point(uniform, temperature=1.0))
    assert cold == uniform
    distance = [abs(warm.as_dict()[g.name] - optimal[g.name]) / g.units for g in GROUPS]
    assert max(distance) <= 1 / 6


def test_moves_are_neighbours_within_the_allowance_and_ordered_by_predicted_harm() -> None:
    config = classic(GROUPS, 0.5, Classic.UNIFORM, Form.RECONSTRUCTED)
    found = moves(config, steps_from(config, GROUPS, TABLES), allowance=0.0)
    assert [move.harm for move in found] == sorted(move.harm for move in found)
    for move in found:
        check_config(move.config, GROUPS)
        changed = {n: (a, b) for (n, a), (_, b) in zip(config.kept, move.config.kept, strict=True) if a != b}
        assert 1 <= len(changed) <= 2
        for name, (before, after) in changed.items():
            levels = next(g.levels for g in GROUPS if g.name == name)
            assert abs(levels.index(before) - levels.index(after)) <= REACH
        cost = sum(
            TABLES[n].cost[next(g for g in GROUPS if g.name == n).levels.index(b)] for n, (_, b) in changed.items()
        )
        was = sum(
            TABLES[n].cost[next(g for g in GROUPS if g.name == n).levels.index(a)] for n, (a, _) in changed.items()
        )
        assert cost - was == pytest.approx(move.cost)
        assert move.cost <= 0


def test_groups_of_one_kind_stand_in_order() -> None:
    kinds = by_kind(named_layout(tiny("bert")).groups)
    assert [g.layer for g in kinds[GroupKind.HEADS]] == [0, 1]
