"""How many units a target removes of every layer, for every scope."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from search_spaces.transforms.masks.choose import magnitude_scores, without_weakest
from search_spaces.transforms.masks.erdos_renyi import densities
from search_spaces.transforms.masks.layers import MaskError, maskable_layers
from search_spaces.transforms.masks.masks import Masks
from search_spaces.transforms.masks.target import Target


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 10))


def cnn() -> nn.Sequential:
    convolutions = [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3), nn.Flatten()]
    return nn.Sequential(*convolutions, nn.Linear(32, 12), nn.Linear(12, 6), nn.Linear(6, 3))


def pruned(model: nn.Module, target: Target) -> Masks:
    masks = Masks(model)
    masks.set(without_weakest(masks.layers, magnitude_scores(masks.layers), target))
    return masks


@pytest.mark.parametrize(("scope", "removed"), [("uniform", 6480), ("hidden-only", 128), ("one-ranking", 6480)])
def test_half_of_the_small_mlp_is_what_each_scope_says(scope: str, removed: int) -> None:
    masks = pruned(mlp(), Target(scope=scope, ratio=0.5))
    assert masks.pruned_weights == removed
    assert masks.overall_sparsity == removed / 12960


def test_one_ranking_removes_the_weakest_weights_of_the_whole_model() -> None:
    model = mlp()
    before = torch.cat([layer.weight.abs().flatten() for layer in maskable_layers(model).values()])
    masks = pruned(model, Target(scope="one-ranking", ratio=0.3))
    kept = torch.cat([masks.kept(name).flatten() for name in masks.layers])
    assert before[~kept].max() <= before[kept].min()


def test_the_classifier_is_all_behind_the_last_convolution() -> None:
    everything = pruned(cnn(), Target(scope="classifier-only", ratio=0.5)).pruned_units
    assert everything == {"0": 0, "2": 0, "4": 192, "5": 36, "6": 9}
    assert pruned(cnn(), Target(scope="classifier-hidden", ratio=0.5)).pruned_units == {**everything, "4": 0, "6": 0}


def test_convolutions_lose_whole_filters_at_a_ratio_of_their_own() -> None:
    model = cnn()
    masks = pruned(model, Target(ratio=0.75, convolution_ratio=0.5))
    assert masks.pruned_units == {"0": 2, "2": 4, "4": 288, "5": 54, "6": 14}
    assert int((model[2].weight.abs().sum(dim=(1, 2, 3)) == 0).sum()) == 4


def test_layers_have_ratios_of_their_own() -> None:
    assert pruned(mlp(), Target(scope="per-layer", ratios={"2": 0.25})).pruned_units == {"0": 0, "2": 64, "4": 0}


@given(st.floats(0.01, 1.0))
def test_erdos_renyi_densities_leave_the_wanted_number_of_weights(density: float) -> None:
    layers = maskable_layers(mlp())
    found = densities(layers, density)
    kept = sum(found[name] * layer.weight.numel() for name, layer in layers.items())
    assert kept == pytest.approx(density * 12960)
    assert all(0 <= value <= 1 for value in found.values())


def test_erdos_renyi_densities_follow_the_published_formula() -> None:
    found = densities(maskable_layers(mlp()), 0.05)
    assert found["0"] / found["2"] == pytest.approx((800 / (784 * 16)) / (32 / 256))


@pytest.mark.parametrize("ratio", [-0.1, 1.1])
def test_a_ratio_outside_0_and_1_is_refused(ratio: float) -> None:
    with pytest.raises(MaskError, match="ratio: a ratio must be between 0 and 1"):
        Target(ratio=ratio)


def test_a_layer_that_is_not_there_is_named() -> None:
    with pytest.raises(MaskError, match="no layer 'nine'"):
        pruned(mlp(), Target(scope="per-layer", ratios={"nine": 0.5}))


def test_a_scope_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(MaskError, match="hidden-only leaves nothing"):
        pruned(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)), Target(scope="hidden-only", ratio=0.5))


def test_a_model_without_layers_to_prune_is_refused() -> None:
    with pytest.raises(MaskError, match="ReLU has no linear or convolutional layer"):
        maskable_layers(nn.ReLU())
