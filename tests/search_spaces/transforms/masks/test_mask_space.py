"""The mask space: every point of the cube is a config that can be trained, and says what it claims."""

from __future__ import annotations

from math import isclose

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from search_spaces.config import Config, Form
from search_spaces.groups import GroupKind, check_config, freeze
from search_spaces.transforms.masks.choose import magnitude_scores
from search_spaces.transforms.masks.layers import mask_groups
from search_spaces.transforms.masks.schedules.table import SCHEDULES, SWAPPING, TRAINED_FIRST, make_schedule
from search_spaces.transforms.masks.space import PATTERN, SHARES, SWAP_SHARES, MaskSpace
from search_spaces.transforms.masks.target import Target


def network(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    first = [nn.Conv2d(1, 40, 3), nn.ReLU(), nn.Conv2d(40, 32, 3), nn.Flatten()]
    return nn.Sequential(*first, nn.Linear(512, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 10))


INITIAL, TRAINED = network(0), network(1)
GROUPS = mask_groups(TRAINED)
SPACE = MaskSpace(GROUPS, initial=INITIAL, trained=TRAINED)
SCHEDULED = sorted(SCHEDULES)
points = st.lists(st.floats(0, 1), min_size=len(SPACE.dimensions), max_size=len(SPACE.dimensions))


def share(config: Config, kind: GroupKind) -> float:
    members = [group for group in GROUPS if group.kind is kind]
    kept = config.as_dict()
    return sum(kept[group.name] for group in members) / sum(group.units for group in members)


@settings(max_examples=60, deadline=None)
@given(points)
def test_every_point_is_a_config_that_can_be_trained(point: list[float]) -> None:
    config = SPACE.config(point)
    check_config(config, GROUPS)
    assert config.form is Form.MASKED
    assert config.recipe is not None
    assert 0 < sum(config.as_dict().values()) < sum(group.units for group in GROUPS)
    make_schedule(config.recipe.schedule, config.recipe.swap_share)
    assert (config.recipe.swap_share is not None) == (config.recipe.schedule in SWAPPING)
    if config.recipe.swap_share is not None:
        assert SWAP_SHARES[0] <= config.recipe.swap_share <= SWAP_SHARES[1]
    assert SPACE.config(point) == config
    assert Config.from_json(config.canonical_json()) == config


@pytest.mark.parametrize("schedule", SCHEDULED)
@pytest.mark.parametrize("kept", [SHARES[0], 0.1, 0.5, SHARES[1]])
def test_a_uniform_share_is_kept_in_every_layer(schedule: str, kept: float) -> None:
    config = SPACE.config(SPACE.point(schedule, "uniform", kept))
    assert config.recipe is not None
    assert config.recipe.schedule == schedule
    for group in GROUPS:
        wanted = max(kept * group.units, 1)
        assert abs(config.as_dict()[group.name] - wanted) <= max(1, group.units / 500)


def test_one_ranking_ranks_what_the_training_begins_with() -> None:
    for schedule, start in (("gradual", TRAINED), ("set", INITIAL)):
        assert (schedule in TRAINED_FIRST) == (start is TRAINED)
        config = SPACE.config(SPACE.point(schedule, "one-ranking", 0.2))
        layers = dict(start.named_modules())
        chosen = {group.name: layers[group.name] for group in GROUPS}
        removed = Target(scope="one-ranking", ratio=0.8).counts(chosen, magnitude_scores(chosen))
        for group in GROUPS:
            assert abs(group.units - removed[group.name] - config.as_dict()[group.name]) <= max(1, group.units / 500)


def test_a_slope_tilts_over_depth_and_keeps_the_mean_share() -> None:
    at = dict(zip(SPACE.dimensions, SPACE.point("gradual", "per-layer", 0.5), strict=True))
    rising = SPACE.config([*{**at, "slope": 0.9}.values()]).as_dict()
    linear = [group for group in GROUPS if group.kind is GroupKind.WEIGHTS]
    shares = [rising[group.name] / group.units for group in linear]
    assert shares == sorted(shares)
    assert shares[-1] - shares[0] > 0.3
    assert isclose(sum(shares) / len(shares), 0.5, abs_tol=0.01)


def test_the_pattern_keeps_half_of_the_linear_layers_it_fits_at_once() -> None:
    config = SPACE.config(SPACE.point("set", PATTERN, 0.1))
    assert config.recipe is not None
    assert config.recipe.schedule == "post-training"
    assert share(config, GroupKind.WEIGHTS) == 0.5
    assert share(config, GroupKind.FILTERS) == 1


def test_scopes_that_mean_the_same_are_offered_once() -> None:
    mlp = nn.Sequential(nn.Linear(8, 6), nn.Linear(6, 6), nn.Linear(6, 2))
    offered = MaskSpace(mask_groups(mlp), initial=mlp, trained=mlp).scopes
    assert offered == ("uniform", "one-ranking", "hidden-only", "erdos-renyi", "per-layer", PATTERN)
    assert {"classifier-only", "classifier-hidden"} < set(SPACE.scopes)
    assert "convolution_share" in SPACE.dimensions


@settings(max_examples=20, deadline=None)
@given(points)
def test_frozen_layers_stay_dense_and_nothing_left_to_mask_is_the_dense_config(point: list[float]) -> None:
    first, names = GROUPS[0].name, frozenset(group.name for group in GROUPS)
    some = MaskSpace(freeze(GROUPS, frozenset({first})), initial=INITIAL, trained=TRAINED)
    assert some.config(point).as_dict()[first] == GROUPS[0].units
    none = MaskSpace(freeze(GROUPS, names), initial=INITIAL, trained=TRAINED)
    assert none.config(point) == none.dense


@settings(max_examples=30, deadline=None)
@given(points, st.floats(0, 1))
def test_thinner_points_keep_no_more(point: list[float], scale: float) -> None:
    scope = SPACE.config(point)
    thin = SPACE.config(SPACE.thinned(point, scale))
    assert thin.recipe == scope.recipe
    assert sum(thin.as_dict().values()) <= sum(scope.as_dict().values()) + len(GROUPS)
