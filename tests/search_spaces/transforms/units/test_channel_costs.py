from __future__ import annotations

import pytest
import torch
from digit_networks import ResidualCnn, mlp
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from objectives.networks import flops_by_layer
from objectives.size import count_parameters
from search_spaces.config import Config
from search_spaces.groups import dense_config
from search_spaces.layouts.layout import Layout
from search_spaces.layouts.surgery import sliced
from search_spaces.layouts.traced.discover import discover_channels
from search_spaces.transforms.units.costs import NetworkCost, network_flops_cost, network_parameters_cost

IMAGE = torch.randn(1, 1, 8, 8)


def torch_flops(model: nn.Module) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(IMAGE)
    return counter.get_total_flops()


def built(model: nn.Module, space: Layout, config: Config) -> nn.Module:
    return sliced(model, space, {name: torch.arange(level) for name, level in config.kept}).eval()


def random_configs(space: Layout, count: int) -> list[Config]:
    generator = torch.Generator().manual_seed(0)
    return [
        Config.of({g.name: g.levels[int(torch.randint(len(g.levels), (), generator=generator))] for g in space.groups})
        for _ in range(count)
    ]


def called_twice() -> nn.Module:
    shared = nn.Conv2d(8, 8, 3, padding=1)
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), shared, nn.ReLU(), shared, nn.Conv2d(8, 2, 1))


@pytest.mark.parametrize("model", [ResidualCnn(16), mlp(), called_twice()])
def test_costs_of_a_config_are_those_of_the_network_it_describes(model: nn.Module) -> None:
    model.eval()
    space = discover_channels(model, IMAGE, round_to=1)
    flops = network_flops_cost(space, flops_by_layer(model, IMAGE))
    parameters = network_parameters_cost(model, space)
    assert flops.dense == torch_flops(model)
    for config in (dense_config(space.groups), *random_configs(space, 10)):
        small = built(model, space, config)
        assert flops.total(config) == torch_flops(small)
        assert parameters.total(config) == count_parameters(small)
        assert flops.ratio(config) == torch_flops(small) / torch_flops(model)


def test_costs_of_levels_are_those_of_the_network_with_all_other_groups_dense() -> None:
    model = ResidualCnn(16).eval()
    space = discover_channels(model, IMAGE, round_to=4)
    cost: NetworkCost = network_flops_cost(space, flops_by_layer(model, IMAGE))
    for group in space.groups:
        costs = cost.of_levels(group)
        dense = dense_config(space.groups)
        whole = [torch_flops(built(model, space, dense.replaced({group.name: level}))) for level in group.levels]
        assert (costs - costs[-1] + cost.dense).tolist() == whole
        assert 0 < costs[0] <= costs[-1] < cost.dense
