from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_encoders import FAMILIES, tiny

from search_spaces.config import Config, ConfigError, Form
from search_spaces.groups import (
    GroupKind,
    check_config,
    config_of,
    dense_config,
    freeze,
    frozen_groups,
    neuron_levels,
)
from search_spaces.layouts.layout import UnprunableModelError
from search_spaces.layouts.named import named_layout


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_heads_and_neurons_in_every_layer(family: str) -> None:
    groups = named_layout(tiny(family)).groups
    assert [group.name for group in groups] == ["layer.0.heads", "layer.0.neurons", "layer.1.heads", "layer.1.neurons"]
    heads, neurons = groups[:2]
    assert (heads.units, heads.unit_size, heads.levels) == (4, 8, (0, 1, 2, 3, 4))
    assert (neurons.units, neurons.unit_size, neurons.kind) == (48, 1, GroupKind.NEURONS)
    assert len(heads.producers) == 3
    assert len(neurons.producers) == 1


def test_a_model_of_another_type_is_refused_by_name() -> None:
    model = tiny("bert")
    model.config.model_type = "gpt2"
    with pytest.raises(UnprunableModelError, match="gpt2"):
        named_layout(model)


@given(st.integers(1, 6000))
def test_neuron_levels_ascend_from_nothing_to_dense_in_multiples(units: int) -> None:
    levels = neuron_levels(units)
    assert levels[0] == 0
    assert levels[-1] == units
    assert list(levels) == sorted(set(levels))
    assert len(levels) <= 26
    assert all(level % 8 == 0 for level in levels[:-1])


def test_the_usual_widths_get_24_levels() -> None:
    assert len(neuron_levels(1536)) == len(neuron_levels(3072)) == 25  # 24 and nothing at all


def test_configs_that_do_not_fit_are_refused() -> None:
    groups = named_layout(tiny("bert")).groups
    dense = dense_config(groups)
    check_config(dense, groups)
    with pytest.raises(ConfigError, match="levels are"):
        check_config(dense.replaced({"layer.0.neurons": 7}), groups)
    with pytest.raises(ConfigError, match="do not match"):
        check_config(Config.of({"layer.0.heads": 4}), groups)


def test_wishes_are_rounded_to_the_nearest_level() -> None:
    groups = named_layout(tiny("bert")).groups
    config = config_of(groups, {group.name: group.units * 0.45 for group in groups}, Form.SLICED)
    assert config.as_dict() == {"layer.0.heads": 2, "layer.0.neurons": 24, "layer.1.heads": 2, "layer.1.neurons": 24}


def test_keep_freezes_a_layer_or_a_group_and_refuses_what_is_neither() -> None:
    groups = named_layout(tiny("bert")).groups
    assert frozen_groups(groups, ["layer.1"]) == {"layer.1.heads", "layer.1.neurons"}
    frozen = freeze(groups, frozen_groups(groups, ["layer.0.heads"]))
    assert [len(group.levels) > 1 for group in frozen] == [False, True, True, True]
    with pytest.raises(ConfigError, match=r"layer\.7"):
        frozen_groups(groups, ["layer.7"])


def test_the_path_of_a_producer_keeps_its_group_and_one_around_it_all_of_them() -> None:
    groups = named_layout(tiny("bert")).groups
    assert frozen_groups(groups, groups[1].producers[:1]) == {"layer.0.neurons"}
    assert frozen_groups(groups, ["bert.encoder"]) == {group.name for group in groups}
