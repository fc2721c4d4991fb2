"""Blocks whose costs multiply: their trees, their efficient combinations, and the steps between these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.allocation import Allocation
from search_spaces.blocks import Block, blocks_of
from search_spaces.combinations import NONE, Correction, Prices, mixed
from search_spaces.groups import Group
from search_spaces.priced import PricedBlock


def group(
    name: str, levels: tuple[int, ...], under: str = "", producers: tuple[str, ...] = (), owners: tuple[str, ...] = ()
) -> Group:
    return Group(
        name=name,
        kind=under or "heads",
        layer=0,
        units=levels[-1],
        unit_size=1,
        levels=levels,
        producers=producers,
        consumers=(),
        under=under,
        owners=owners,
    )


HEADS = group("heads", (0, 2, 4), producers=("query", "key"))
BITS = group("(query+key).bits", (4, 8, 32), "bits", ("query", "key"), ("heads",))
QUERY = group("query.rank", (1, 2, 4), "rank", ("query",), ("heads",))
KEY = group("key.rank", (1, 2, 4), "rank", ("key",), ("heads",))
TABLE = group("table", (5, 9), producers=("table",))
TABLE_RANK = group("table.rank", (2, 4), "rank", ("table",))
TABLE_BITS = group("table.bits", (8, 32), "bits", ("table",))
ALONE = group("other.bits", (8, 32), "bits", ("other",))
GROUPS = (HEADS, TABLE, QUERY, KEY, TABLE_RANK, BITS, TABLE_BITS, ALONE)


def price(levels: Mapping[str, int]) -> float:
    """Of two layers and a table, whose factors multiply: a rank below 4 takes a part, if that pays."""
    heads, bits = levels.get("heads", 4), levels.get("(query+key).bits", 32)
    layers = sum(min(heads, 4 * 0.6 * levels.get(f"{name}.rank", 4) / 2) for name in ("query", "key"))
    table = levels.get("table", 9) * levels.get("table.rank", 4) * levels.get("table.bits", 32)
    return 7 + layers * bits / 32 + table / 1000 + levels.get("other.bits", 32) / 50


def test_blocks_are_trees_from_what_many_layers_share_to_what_concerns_one() -> None:
    found = blocks_of(GROUPS)
    assert [[each.name for each in block.groups] for block in found] == [
        ["heads", "(query+key).bits", "query.rank", "key.rank"],
        ["table", "table.rank", "table.bits"],
        ["other.bits"],
    ]
    assert [block.parents for block in found] == [(None, 0, 1, 1), (None, 0, 1), (None,)]
    assert found[0].above(3) == [0, 1]
    assert found[0].below(1) == [2, 3]


def test_groups_of_one_transform_are_blocks_of_their_own() -> None:
    convolutions = [group(f"c{i}", (1, 2), producers=(f"conv{i}", "shortcut")) for i in range(3)]
    assert [block.groups for block in blocks_of(convolutions)] == [(each,) for each in convolutions]


def test_channels_that_are_called_like_the_layer_that_writes_them_are_roots() -> None:
    first = group("conv1", (1, 2), producers=("conv1",))
    second = group("conv2", (1, 2), producers=("conv2",))
    ranks = [group(f"{path}.rank", (1, 2), "rank", (path,), ("conv1",)) for path in ("conv1", "conv2")]
    bits = [group(f"{path}.bits", (8, 32), "bits", (path,), ("conv1",)) for path in ("conv1", "conv2")]
    groups = [replace(first, consumers=("conv2",)), replace(second, consumers=("head",)), *ranks, *bits]
    found = blocks_of(groups)
    assert [[each.name for each in block.groups] for block in found] == [
        ["conv1", "conv1.rank", "conv2.rank", "conv1.bits", "conv2.bits"],
        ["conv2"],
    ]
    assert found[0].parents == (None, 0, 0, 1, 2)


def test_the_parts_of_a_cost_add_up_to_it() -> None:
    blocks = blocks_of(GROUPS)
    prices = [Prices.of(block, price) for block in blocks]
    generator = np.random.default_rng(0)
    for _ in range(20):
        levels = {each.name: int(generator.choice(each.levels)) for each in GROUPS}
        added = sum(each.total(block, places(block, levels)) for block, each in zip(blocks, prices, strict=True))
        assert added == pytest.approx(price(levels) - price({}))
    assert all(each.holds(block, price) for block, each in zip(blocks, prices, strict=True))
    assert not prices[0].holds(blocks[0], lambda levels: 2 * price(levels))


def places(block: Block, levels: Mapping[str, int]) -> list[int]:
    return [each.levels.index(levels[each.name]) for each in block.groups]


def priced(seed: int, block: Block | None = None) -> PricedBlock:
    """A block whose harms are random and fall with the level."""
    block = block or blocks_of(GROUPS)[0]
    generator = np.random.default_rng(seed)
    harms = {each.name: np.sort(generator.exponential(size=len(each.levels)))[::-1] for each in block.groups}
    return PricedBlock(
        block, Prices.of(block, price), {n: h * (np.arange(len(h)) + 1 < len(h)) for n, h in harms.items()}
    )


@settings(max_examples=20)
@given(seed=st.integers(0, 999))
def test_the_combinations_of_a_block_are_those_that_none_dominates(seed: int) -> None:
    block = priced(seed)
    every = [*product(*(range(len(each.levels)) for each in block.block.groups))]
    pairs = np.array([(block.cost(at), block.harm(at)) for at in every])
    best = [all(other[1] > harm for other in pairs if other[0] < cost - 1e-9) for cost, harm in pairs]
    least = {(round(cost, 6), round(harm, 6)) for (cost, harm), is_best in zip(pairs, best, strict=True) if is_best}
    found = block.choices
    assert (np.diff(found.cost) > 0).all()
    assert (np.diff(found.harm) < 0).all(), "cheaper is more harmful"
    assert {
        (round(c + pairs[:, 0].min(), 6), round(h, 6)) for c, h in zip(found.cost, found.harm, strict=True)
    } <= least
    for index in range(len(found.cost)):
        at = places(block.block, found.at(index))
        assert block.cost(at) - pairs[:, 0].min() == pytest.approx(found.cost[index])
        assert block.harm(at) == pytest.approx(found.harm[index])


@settings(max_examples=15)
@given(seed=st.integers(0, 999), share=st.floats(0, 1))
def test_the_allocation_over_blocks_is_the_best_of_all_selections(seed: int, share: float) -> None:
    blocks = [priced(seed, block) for block in blocks_of(GROUPS)]
    allocation = Allocation([block.choices for block in blocks])
    budget = share * float(allocation.costs.max())
    chosen = allocation.within(budget)
    assert {*chosen} == {each.name for each in GROUPS}
    cost = price(chosen) - price({}) - sum(block.cost(places(block.block, block.choices.at(0))) for block in blocks)
    assert cost <= budget * (1 + 1e-3) + 1e-9
    harm = sum(block.harm(places(block.block, chosen)) for block in blocks)
    worlds = product(*(zip(block.choices.cost, block.choices.harm, strict=True) for block in blocks))
    assert harm <= min(sum(h for _, h in world) for world in worlds if sum(c for c, _ in world) <= budget) + 1e-6
    assert sum(block.harm(places(block.block, allocation.harming(harm))) for block in blocks) <= harm + 1e-9


def test_steps_change_one_block_by_what_they_say() -> None:
    block = priced(1)
    levels = {"heads": 2, "(query+key).bits": 8, "query.rank": 2, "key.rank": 4}
    base = places(block.block, levels)
    steps = block.steps(levels)
    assert {len({g.under for g in block.block.groups if g.name in step.levels}) for step in steps} > {1}
    for step in steps:
        at = places(block.block, {**levels, **step.levels})
        assert step.cost == pytest.approx(block.cost(at) - block.cost(base))
        assert step.harm == pytest.approx(block.harm(at) - block.harm(base))
        assert step.levels
    assert min(step.cost for step in steps) < 0


def test_what_was_measured_corrects_the_sums_and_keeps_their_order() -> None:
    correction = Correction.of([(0.1, 0.4), (0.01, 0.01)])
    sums = np.array([1.0, 0.1, 0.03, 0.01, 1e-6, 0.0])
    harms = correction(sums)
    assert harms[[0, 1, 3]] == pytest.approx([4.0, 0.4, 0.01])
    assert (np.diff(harms) < 0).all()
    assert NONE(sums) is sums


def test_costs_are_mixed_by_weight() -> None:
    block = blocks_of(GROUPS)[0]
    once, twice = Prices.of(block, price), Prices.of(block, lambda levels: 2 * price(levels))
    both = mixed([(0.5, once), (0.25, twice)])
    for one, other in zip(both.added, once.added, strict=True):
        np.testing.assert_allclose(one, other)
