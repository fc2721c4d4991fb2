"""Adam under masks: held weights do not move, and all others move as if masks were put back after each step."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from search_spaces.transforms.masks.adam import hold


def optimizer_of(layer: nn.Module, **options: bool) -> torch.optim.Adam:
    return torch.optim.Adam(layer.parameters(), lr=0.01, **options)


def step(layer: nn.Module, optimizer: torch.optim.Adam, inputs: torch.Tensor) -> None:
    optimizer.zero_grad()
    layer(inputs).square().sum().backward()
    optimizer.step()


@pytest.mark.parametrize("options", [{"fused": True}, {"foreach": True}, {"foreach": False, "fused": False}])
@settings(max_examples=10)
@given(seed=st.integers(0, 999), kept_share=st.floats(0, 1), per_filter=st.booleans())
def test_a_training_is_the_one_that_puts_masks_back_after_each_step(
    options: dict[str, bool], seed: int, kept_share: float, per_filter: bool
) -> None:
    torch.manual_seed(seed)
    held = nn.Conv2d(2, 5, 3) if per_filter else nn.Linear(7, 5)
    inputs = torch.randn(6, 3, 2, 4, 4) if per_filter else torch.randn(6, 3, 7)
    kept = torch.rand((5, 1, 1, 1) if per_filter else (5, 7)) < kept_share
    masked = copy.deepcopy(held)
    first, second = optimizer_of(held, **options), optimizer_of(masked, **options)
    for number, batch in enumerate(inputs):
        step(held, first, batch)
        step(masked, second, batch)
        with torch.no_grad():
            masked.weight.mul_(kept)
            if number == 0:
                held.weight.mul_(kept)
                assert hold(first, held.weight, kept)
        assert torch.equal(held.weight, masked.weight)
        assert torch.equal(held.bias, masked.bias)


def test_what_is_kept_again_begins_without_momentum() -> None:
    torch.manual_seed(0)
    layer, everything = nn.Linear(4, 3), torch.ones(3, 4, dtype=torch.bool)
    optimizer, kept = optimizer_of(layer), everything.clone()
    kept[1] = False
    step(layer, optimizer, torch.randn(2, 4))
    hold(optimizer, layer.weight, kept)
    step(layer, optimizer, torch.randn(2, 4))
    state = optimizer.state[layer.weight]
    assert state["exp_avg"][1].any()
    hold(optimizer, layer.weight, everything)
    assert not state["exp_avg"][1].any()
    assert not state["exp_avg_sq"][1].any()
    assert state["exp_avg"][0].any()
    before = layer.weight.detach().clone()
    step(layer, optimizer, torch.randn(2, 4))
    assert (layer.weight[1] != before[1]).all()


def test_before_its_first_step_an_optimizer_cannot_hold() -> None:
    layer = nn.Linear(4, 3)
    optimizer = optimizer_of(layer)
    assert not hold(optimizer, layer.weight, torch.zeros(3, 4, dtype=torch.bool))
    assert not optimizer.state
