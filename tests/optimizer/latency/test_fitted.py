"""Latency fitted to whole networks: what is counted is what the network has, and what was known is found again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from optimizer.backends.names import ONNXRUNTIME, TORCH
from optimizer.latency.computed import BASE, Computed
from optimizer.latency.fitted import FittedLatency, FittedTable, fitted, random_configs, whole_configs
from optimizer.preparation.proposing import proposes
from search_spaces.config import Config
from search_spaces.groups import Group, GroupKind, dense_config
from search_spaces.layouts.layout import Axis
from search_spaces.transforms.table import BITS, RANK, UNITS
from search_spaces.transforms.transform import LayerShape

BOTH = (TORCH, ONNXRUNTIME)

GROUPS = tuple(
    Group(
        name=f"{index}.neurons", kind=GroupKind.NEURONS, layer=index, units=8, unit_size=1, levels=(0, 2, 4, 6, 8),
        producers=(), consumers=(),
    )
    for index in range(3)
)  # fmt: skip
SECONDS = {BASE: 1e-3, "multiplications": 2e-6, "layers": 1e-4}


def computes(config: Config) -> dict[str, float]:
    kept = [level for _, level in config.kept]
    return {BASE: 1.0, "multiplications": 40.0 * sum(kept), "layers": float(sum(level > 0 for level in kept))}


def timed(config: Config) -> float:
    return sum(SECONDS[kind] * amount for kind, amount in computes(config).items())


def test_seconds_are_found_again_and_serve_as_a_cost() -> None:
    configs = [dense_config(GROUPS), *random_configs(GROUPS, 19)]
    table = fitted([computes(each) for each in configs], np.array([*map(timed, configs)]), dense=0.01)
    assert table.seconds == pytest.approx(SECONDS)
    assert table.largest_error < 1e-6
    assert (table.networks, table.here) == (20, pytest.approx(timed(configs[0])))
    cost = FittedLatency(GROUPS, computes, table)
    assert cost.ratio(configs[0]) == pytest.approx(timed(configs[0]) / 0.01), "to the dense model in torch"
    assert list(np.diff(cost.of_levels(GROUPS[0]))) == pytest.approx([80 * 2e-6 + 1e-4, *[80 * 2e-6] * 3])


def test_the_error_is_that_of_networks_that_were_left_out() -> None:
    configs = [dense_config(GROUPS), *random_configs(GROUPS, 19)]
    seconds = np.array([*map(timed, configs)])
    seconds[3::4] *= 1.5
    table = fitted([computes(each) for each in configs], seconds, dense=0.01)
    assert table.median_error == pytest.approx(1 / 3)


def test_random_configs_reach_from_the_least_to_the_most_and_are_always_the_same() -> None:
    configs = random_configs(GROUPS, 30)
    assert configs == random_configs(GROUPS, 30)
    kept = [sum(level for _, level in config.kept) for config in configs]
    assert min(kept) <= 4
    assert max(kept) >= 20


def test_networks_of_integers_throughout_are_timed_where_weights_may_have_few_bits() -> None:
    bits = tuple(
        replace(GROUPS[0], name=f"{index}.bits", kind=GroupKind.BITS, units=32, levels=levels)
        for index, levels in enumerate([(4, 8, 16, 32), (8, 32), (16, 32)])
    )
    assert whole_configs(GROUPS) == [dense_config(GROUPS)]
    dense, integers = whole_configs((*GROUPS, *bits))
    assert dense == dense_config((*GROUPS, *bits))
    assert integers == dense.replaced({"0.bits": 8, "1.bits": 8})


def test_layers_are_counted_as_the_transforms_leave_them() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 2), nn.Embedding(10, 4))
    split = LayerShape(weight=(6, 4), kept=2, weights_per_unit=10, is_split=True, bits=8)
    count = Computed(
        model,
        {"0": 3.0, "1": 3.0, "2": 3.0},
        left=lambda _: {("1", Axis.COLUMNS): 5},
        changes=lambda _: [("0", split)],
    )
    assert dict(count(Config(()))) == {
        BASE: 1,
        "multiplications, Linear of 8 bits": 3 * (2 * 4 + 6 * 2),
        "layers, Linear of 8 bits": 2,
        "outputs, Linear of 8 bits": 3 * (2 + 6),
        "multiplications, Linear of floats": 3 * 2 * 5,
        "layers, Linear of floats": 1,
        "outputs, Linear of floats": 3 * 2,
    }, "a look-up multiplies nothing"
    gone = Computed(model, {"1": 3.0}, left=lambda _: {("1", Axis.COLUMNS): 0}, changes=lambda _: [])
    assert dict(gone(Config(()))) == {BASE: 1}


@pytest.mark.parametrize(
    ("here", "backends", "transforms", "does"),
    [
        (0.9, BOTH, (UNITS,), True),
        (1.1, BOTH, (UNITS, RANK), False),
        (1.1, BOTH, (UNITS, BITS), True),  # its integers may be faster than torch's floats
        (1.1, (ONNXRUNTIME,), (UNITS,), True),
    ],
)
def test_another_backend_proposes_where_it_is_faster_or_computes_in_few_bits(
    here: float, backends: tuple[str, ...], transforms: tuple[str, ...], does: bool
) -> None:
    table = FittedTable(seconds={}, dense=1.0, here=here, networks=8, median_error=0.0, largest_error=0.0)
    assert proposes(table, backends, transforms) is does
