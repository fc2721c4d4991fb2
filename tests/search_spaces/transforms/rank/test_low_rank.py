"""Layers of low rank: the best split, the ranks that pay, and what units before them leave."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from digit_networks import ResidualCnn
from hypothesis import given, settings
from hypothesis import strategies as st
from prunable_models import bank_of, batches, logits, possible
from torch import nn

from objectives.networks import count_network_flops
from objectives.positions import positions_in
from search_spaces.config import Config
from search_spaces.groups import config_of, dense_config, freeze, frozen_groups
from search_spaces.layouts.layout import Axis
from search_spaces.layouts.modeling_pruned import FROM_RANK
from search_spaces.layouts.traced.discover import discover_channels
from search_spaces.transforms.moments import FELT, READ, Moments
from search_spaces.transforms.rank.layers import path_of, pays, ranks, weights_per_rank
from search_spaces.transforms.rank.source import Splits
from search_spaces.transforms.rank.split import plain_split, split_by_inputs, split_by_outputs
from search_spaces.transforms.rank.transform import LowRank
from search_spaces.transforms.transform import Dense
from search_spaces.transforms.units.damping import factorised
from search_spaces.transforms.units.transform import Units

SIDES = st.integers(2, 12)


@settings(max_examples=15)
@given(rows=SIDES, columns=SIDES, seed=st.integers(0, 999))
def test_a_split_loses_what_the_singular_values_say_which_is_no_more_than_a_plain_one(
    rows: int, columns: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, columns, generator=generator)
    seen = torch.randn(40, columns, generator=generator) * torch.logspace(0, -1, columns) + 1
    written, gradients = seen @ weight.T, torch.randn(40, rows, generator=generator) * torch.logspace(0, -1, rows)
    felt = gradients.T @ gradients
    factor = factorised(felt)[1].float()
    values, plain = torch.linalg.svdvals(written @ factor), plain_split(weight)
    for made in (split_by_inputs(weight, seen.T @ seen, felt), split_by_outputs(weight, written.T @ written, felt)):
        for rank in range(1, min(rows, columns) + 1):
            lost, lost_plainly = (
                ((written - seen @ inner.T @ outer.T) @ factor).square().sum()
                for outer, inner in (made.at(rank), plain.at(rank))
            )
            torch.testing.assert_close(lost, values[rank:].square().sum(), atol=1e-2, rtol=1e-2)
            assert lost <= lost_plainly + 1e-2


@settings(max_examples=15)
@given(rows=SIDES, columns=SIDES, seed=st.integers(0, 999))
def test_a_plain_split_is_the_truncated_decomposition_of_the_weights(rows: int, columns: int, seed: int) -> None:
    weight = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    values = torch.linalg.svdvals(weight)
    for rank in range(1, min(rows, columns) + 1):
        outer, inner = plain_split(weight).at(rank)
        torch.testing.assert_close((weight - outer @ inner).norm(), values[rank:].norm(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [1e-5, 1.0, 1e4])  # of gradients
def test_both_factors_have_about_one_norm_and_their_product_is_the_same_to_the_last_bit(size: float) -> None:
    drawn = torch.Generator().manual_seed(0)
    weight, inputs, felt = (
        torch.randn(12, 20, generator=drawn),
        *(torch.randn(n, 50, generator=drawn) for n in (20, 12)),
    )
    split = split_by_inputs(weight, inputs @ inputs.T, size**2 * felt @ felt.T)
    outer, inner = split.at(5)
    assert 0.3 < outer.norm() / inner.norm() < 3
    assert torch.equal(outer @ inner, split.outer[:, :5] @ split.inner[:5])
    nothing = split_by_inputs(torch.zeros(12, 20), inputs @ inputs.T).at(5)
    assert all(torch.isfinite(factor).all() for factor in nothing)


@given(shape=st.lists(st.integers(1, 600), min_size=2, max_size=2).map(tuple), taps=st.sampled_from([(), (3, 3)]))
def test_levels_rise_and_every_one_but_the_last_pays(shape: tuple[int, int], taps: tuple[int, ...]) -> None:
    found = ranks((*shape, *taps))
    assert list(found) == sorted(set(found))
    assert found[-1] == min(shape[0], shape[1] * math.prod(taps))
    assert all(pays(rank, (*shape, *taps)) for rank in found[:-1])
    assert not pays(found[-1], (*shape, *taps))


class Both:
    """Units, then rank, on a tiny encoder."""

    def __init__(self, root: Path, family: str = "bert") -> None:
        self.model, self.unit_groups, self.bank = bank_of(root, family)
        self.dense = self.bank._dense
        self.rank, self.splits = LowRank(), Splits(self.dense, root)
        self.groups = self.rank.groups(self.dense)

    def units(self, kept: dict[str, int]) -> Config:
        return Config.of(possible(self.unit_groups, kept))

    def lowest(self) -> Config:
        return config_of(self.groups, dict.fromkeys((group.name for group in self.groups), 0))

    def made(self, units: Config) -> tuple[nn.Module, nn.Module]:
        """The model without the units, and with all its layers of the lowest rank as well."""
        small = Units().apply(self.model, units, self.bank, share_weights=True, stays={})
        low = self.rank.apply(small, self.lowest(), self.splits, share_weights=True, stays=self.bank.stays(units))
        return small, low


def test_after_units_the_weights_that_are_left_are_split_by_the_moments_that_are_left(tmp_path: Path) -> None:
    both = Both(tmp_path)
    units = both.units({"layer.0.heads": 3, "layer.0.neurons": 40, "layer.1.heads": 4, "layer.1.neurons": 48})
    small, low = both.made(units)
    stays, split = both.bank.stays(units), []
    for path, level in ((path_of(name), level) for name, level in both.lowest().kept):
        whole, thin = small.get_submodule(path), low.get_submodule(path)
        if not pays(level, tuple(whole.weight.shape)):
            assert not hasattr(thin, FROM_RANK)
            continue
        moments = Moments(both.dense, tmp_path).of(path)
        sizes = zip((Axis.ROWS, Axis.COLUMNS), both.model.get_parameter(f"{path}.weight").shape, strict=True)
        rows, columns = (stays.get((path, axis), torch.arange(size)) for axis, size in sizes)
        read, felt = moments[READ][columns][:, columns], moments[FELT][rows][:, rows]
        outer, inner = split_by_inputs(whole.weight.detach(), read, felt).at(level)
        torch.testing.assert_close(thin.from_rank.weight @ thin.weight, outer @ inner, atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(thin.from_rank.bias, whole.bias)
        split.append(path)
    assert len(split) == 12


def test_a_layer_that_units_leave_too_thin_or_remove_stays_as_they_leave_it(tmp_path: Path) -> None:
    both = Both(tmp_path)
    units = both.units({"layer.0.heads": 1, "layer.0.neurons": 8, "layer.1.heads": 0, "layer.1.neurons": 0})
    small, low = both.made(units)
    assert [name for name, _ in low.named_parameters()] == [name for name, _ in small.named_parameters()]
    torch.testing.assert_close(logits(low, batches()[0]), logits(small, batches()[0]))
    assert not both.rank.describe(both.model, both.lowest(), both.bank.left(units))
    assert both.splits.merged(both.lowest(), both.bank.left(units)) == dense_config(both.groups)
    whole = both.units({group.name: group.units for group in both.unit_groups})
    assert both.splits.merged(both.lowest(), both.bank.left(whole)) == both.lowest()


@pytest.mark.parametrize("family", ["deberta-v2", "albert", "modernbert"])
def test_shared_and_fused_layers_and_those_of_positions_are_split_too(family: str, tmp_path: Path) -> None:
    both = Both(tmp_path, family)
    dense = both.units({group.name: group.units for group in both.unit_groups})
    _, low = both.made(dense)
    described = both.rank.describe(both.model, both.lowest(), both.bank.left(dense))
    assert set(described) == {path_of(group.name) for group in both.groups}
    assert {path for path, layer in low.named_modules() if hasattr(layer, FROM_RANK)} == set(described)
    assert logits(low, batches()[0]).isfinite().all()


def test_a_frozen_group_of_units_freezes_the_ranks_of_its_layers(tmp_path: Path) -> None:
    both = Both(tmp_path)
    frozen = frozen_groups(both.groups, ["layer.0"])
    assert len(frozen) == 6
    assert all("layer.0." in name for name in frozen)
    assert len(frozen_groups(both.groups, ["layer.1.heads"])) == 4
    one = freeze(both.groups, frozen_groups(both.groups, ["bert.encoder.layer.1.attention.self.key"]))
    assert [len(group.levels) > 1 for group in one].count(False) == 1


def test_convolutions_become_ones_of_few_filters_and_pointwise_ones(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, images = ResidualCnn(16).eval(), torch.randn(8, 1, 8, 8)
    dense = Dense(
        model=model,
        find_layout=lambda: discover_channels(model, images, round_to=4),
        weights_hash="w",
        examples_hash="e",
        batches=lambda: [{"x": images, "labels": torch.arange(8)}],
        loss=lambda net, batch: nn.functional.cross_entropy(net(batch["x"]), batch["labels"], reduction="sum"),
        answers=lambda net, batch: net(batch["x"]),
    )
    rank, splits = LowRank(), Splits(dense, tmp_path)
    groups = rank.groups(dense)
    low = rank.apply(model, dense_config(groups), splits, share_weights=True, stays={})
    for group in groups:  # at the full rank, which is never applied, nothing but rounding is lost
        splits.lower(low.get_submodule(path_of(group.name)), path_of(group.name), group.units, {})
    strided = low.get_submodule("widen")
    saved = count_network_flops(model, images[:1]) - count_network_flops(low, images[:1])
    positions = positions_in(model, [path_of(group.name) for group in groups], {"x": images[:1]})
    changes = {
        path_of(g.name): (tuple(model.get_parameter(f"{path_of(g.name)}.weight").shape), g.units) for g in groups
    }
    lost = {p: math.prod(shape) - units * weights_per_rank(shape) for p, (shape, units) in changes.items()}
    assert saved == sum(2 * positions[path] * weights for path, weights in lost.items())
    assert (strided.kernel_size, strided.stride, strided.from_rank.kernel_size) == ((3, 3), (2, 2), (1, 1))
    torch.testing.assert_close(low(images), model(images), atol=1e-4, rtol=1e-3)
