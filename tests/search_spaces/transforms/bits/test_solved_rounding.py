"""Rounding that is solved: its error on what layers read, and what is kept of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from prunable_models import bank_of, batches, logits, possible
from torch import Tensor

from search_spaces.config import Config
from search_spaces.groups import config_of
from search_spaces.layouts.layout import Axis
from search_spaces.layouts.modeling_pruned import FROM_RANK
from search_spaces.layouts.stored import Stored, bits_by_layer, stored_of
from search_spaces.transforms.bits import source
from search_spaces.transforms.bits.rounding import rounded
from search_spaces.transforms.bits.solve import solved
from search_spaces.transforms.bits.source import Rounded
from search_spaces.transforms.bits.transform import Bits
from search_spaces.transforms.moments import READ, Moments, part
from search_spaces.transforms.rank.source import Splits
from search_spaces.transforms.rank.transform import LowRank
from search_spaces.transforms.units.transform import Units


def cost(weight: Tensor, made: Stored, moments: Tensor) -> float:
    error = (weight - made.weight).double()
    return float(((error @ moments.double()) * error).sum())


@settings(max_examples=10)
@given(columns=st.integers(40, 200), bits=st.sampled_from([4, 8]), seed=st.integers(0, 99))
def test_what_a_layer_writes_differs_less_than_by_rounding_to_the_nearest_code(
    columns: int, bits: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(24, columns, generator=generator)
    seen = torch.randn(columns * 2, columns, generator=generator) @ torch.randn(columns, columns, generator=generator)
    moments = seen.T @ seen / len(seen)
    made, plain = solved(weight, moments, bits), rounded(weight, bits)
    assert cost(weight, made, moments) < 0.8 * cost(weight, plain, moments)
    assert made.scales is not None
    assert (made.codes.shape, made.scales.shape, made.block) == (plain.codes.shape, plain.scales.shape, plain.block)


@pytest.mark.parametrize("bits", [4, 8])
def test_inputs_that_say_nothing_of_each_other_leave_the_nearest_codes(bits: int) -> None:
    weight = torch.randn(5, 70, generator=torch.Generator().manual_seed(0))
    for moments in (torch.eye(70), torch.zeros(70, 70), torch.ones(70, 70) * 0):
        assert torch.equal(solved(weight, moments, bits).weight, rounded(weight, bits).weight)
    constant = solved(weight, torch.ones(70, 70), bits)  # every input is the same, and never changes
    assert constant.weight.isfinite().all()
    with pytest.raises(ValueError, match="NaN or infinity"):
        solved(weight, torch.full((70, 70), torch.nan), bits)


class All:
    """Units, rank and bits on a tiny encoder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.model, unit_groups, self.bank = bank_of(root)
        kept = {"layer.0.heads": 3, "layer.0.neurons": 40, "layer.1.heads": 0, "layer.1.neurons": 48}
        self.units = Config.of(possible(unit_groups, kept))
        self.dense, self.stays = self.bank._dense, self.bank.stays(self.units)
        self.small = Units().apply(self.model, self.units, self.bank, share_weights=True, stays={})
        self.groups = Bits().groups(self.dense)

    def few(self, bits: int) -> Config:
        return config_of(self.groups, dict.fromkeys((group.name for group in self.groups), bits))

    def apply(self, model: torch.nn.Module, bits: int) -> torch.nn.Module:
        made = Rounded(self.dense, self.root)
        made.fill()
        return Bits().apply(model, self.few(bits), made, share_weights=True, stays=self.stays)


@pytest.mark.parametrize("bits", [4, 8])
def test_what_units_leave_is_solved_by_the_moments_of_the_inputs_that_they_leave(bits: int, tmp_path: Path) -> None:
    on = All(tmp_path)
    made, moments = on.apply(on.small, bits), Moments(on.dense, tmp_path)
    for path in bits_by_layer(made):
        if "embeddings" in path:
            continue
        weight = on.small.get_submodule(path).weight.detach()
        read = part(moments.of(path)[READ], on.stays.get((path, Axis.COLUMNS)))
        stored = stored_of(made.get_submodule(path))
        assert stored
        assert torch.equal(stored.weight, solved(weight, read, bits).weight), path
    assert not any("layer.1.attention.self" in path for path in bits_by_layer(made)), "a removed block has no weights"
    assert bits_by_layer(on.apply(on.small, 32)) == {}


def test_both_weights_of_a_split_layer_are_solved_the_second_for_what_the_first_writes(tmp_path: Path) -> None:
    on = All(tmp_path)
    splits, rank = Splits(on.dense, tmp_path), LowRank()
    lowest = config_of(groups := rank.groups(on.dense), dict.fromkeys((group.name for group in groups), 0))
    low = rank.apply(on.small, lowest, splits, share_weights=True, stays=on.stays)
    made = on.apply(low, 4)
    path = "bert.encoder.layer.0.output.dense"
    inner, outer = made.get_submodule(path), made.get_submodule(f"{path}.{FROM_RANK}")
    read = part(Moments(on.dense, tmp_path).of(path)[READ], on.stays[path, Axis.COLUMNS])
    writes = inner.weight.detach() @ read @ inner.weight.detach().T
    assert torch.equal(outer.weight, solved(low.get_submodule(f"{path}.{FROM_RANK}").weight.detach(), writes, 4).weight)
    assert stored_of(inner) is not None
    assert logits(made, batches()[0]).isfinite().all()


def test_what_was_solved_is_read_again_and_what_does_not_fit_in_memory_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = All(tmp_path)
    first = on.apply(on.small, 4)
    monkeypatch.setattr(source, "IN_MEMORY", 1)
    monkeypatch.setattr(source, "solved", lambda *_: pytest.fail("it is on disk"))
    again = on.apply(on.small, 4)
    assert torch.equal(logits(again, batches()[0]), logits(first, batches()[0]))
