"""Networks of transformers that have no row are traced: tiny ones, half of whose channels go."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForImageClassification

from objectives.networks import flops_by_layer
from optimizer.families.networks.names import TRACED
from search_spaces.groups import config_of
from search_spaces.layouts.surgery import sliced
from search_spaces.layouts.traced.discover import discover_channels
from search_spaces.transforms.units.costs import network_flops_cost

SIDE = 16
_TWO = {"hidden_sizes": [16, 32], "depths": [1, 1]}
_STEPS = {"kernel_sizes": [3, 3, 5], "strides": [1, 2, 2], "num_block_repeats": [1, 1, 1], "expand_ratios": [1, 6, 6]}
_WINDOWS = {
    "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 4], "window_size": 2, "patch_size": 2, "image_size": SIDE
}  # fmt: skip
NETWORKS: dict[str, tuple[int, dict[str, Any]]] = {  # groups, settings
    "resnet": (4, _TWO | {"embedding_size": 16, "layer_type": "basic"}),
    "convnext": (4, _TWO | {"num_stages": 2, "patch_size": 2}),
    "convnextv2": (4, _TWO | {"num_stages": 2, "patch_size": 2}),
    "mobilenet_v1": (14, {"depth_multiplier": 0.25, "min_depth": 8}),
    "mobilenet_v2": (25, {"depth_multiplier": 0.25, "min_depth": 8}),
    "efficientnet": (
        10,
        {"width_coefficient": 0.25, "depth_coefficient": 0.3, "hidden_dim": 320, "depthwise_padding": []}
        | {"in_channels": [16, 24, 40], "out_channels": [24, 40, 48], **_STEPS},
    ),
    "regnet": (7, _TWO | {"embedding_size": 16, "groups_width": 8}),
    "poolformer": (
        4,
        _TWO | {"num_encoder_blocks": 2, "patch_sizes": [3, 3], "strides": [2, 2], "padding": [1, 1]},
    ),
    "swinv2": (3, _WINDOWS),
    "swin": (3, _WINDOWS),
}


def test_every_architecture_on_offer_has_a_network_in_these_tests() -> None:
    assert set(TRACED) == set(NETWORKS)


@pytest.mark.parametrize("name", NETWORKS)
def test_half_the_channels_go_and_flops_are_as_torch_counts_them(name: str) -> None:
    groups, settings = NETWORKS[name]
    torch.manual_seed(0)
    config = AutoConfig.for_model(name, num_channels=1, num_labels=3, **settings)
    known: Any = AutoModelForImageClassification  # untyped
    model = known.from_config(config, attn_implementation="eager").eval()
    space = discover_channels(model, {"pixel_values": torch.randn(2, 1, SIDE, SIDE)})
    assert len(space.groups) == groups
    halved = config_of(space.groups, {group.name: group.units / 2 for group in space.groups})
    small = sliced(model, space, {n: torch.arange(level) for n, level in halved.kept})
    image = {"pixel_values": torch.zeros(1, 1, SIDE, SIDE)}
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        assert small(**image).logits.isfinite().all()
    assert network_flops_cost(space, flops_by_layer(model, image)).total(halved) == counter.get_total_flops()
