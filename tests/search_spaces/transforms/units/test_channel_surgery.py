from __future__ import annotations

import copy

import pytest
import torch
from digit_networks import ResidualCnn, Trained
from torch import Tensor, nn

from search_spaces.config import Config, ConfigError, Form
from search_spaces.groups import Group
from search_spaces.layouts.layout import Axis, Layout
from search_spaces.layouts.surgery import sliced
from search_spaces.layouts.traced.discover import discover_channels
from search_spaces.transforms.units.materialize import Refit, materialize


class Scattered:
    """Keeps units here and there, by a seed."""

    def kept_units(self, group: Group, level: int) -> Tensor:
        generator = torch.Generator().manual_seed(group.layer)
        return torch.randperm(group.units, generator=generator)[:level].sort().values

    def refit(self, reader: str, columns: Tensor) -> Refit:
        raise AssertionError(f"slicing asked for {reader} solved")


def halves(space: Layout) -> Config:
    return Config.of({g.name: g.nearest_level(g.units / 2) for g in space.groups}, Form.SLICED)


def silenced(model: nn.Module, space: Layout, config: Config, inputs: Tensor) -> Tensor:
    """The dense network's answer when the removed channels are zeroed wherever a layer reads them."""
    hidden = copy.deepcopy(model)
    for group in space.groups:
        gone = torch.ones(group.units, dtype=torch.bool)
        gone[Scattered().kept_units(group, config.as_dict()[group.name])] = False
        for link in space.readers(group):
            silent = link.entries[gone[link.units]]

            def hush(layer: nn.Module, seen: tuple[Tensor, ...], silent: Tensor = silent) -> tuple[Tensor]:
                heard = seen[0].clone()
                heard.index_fill_(1, silent, 0.0)
                return (heard,)

            hidden.get_submodule(link.path).register_forward_pre_hook(hush)
    with torch.no_grad():
        return hidden(inputs)


@pytest.mark.parametrize("share_weights", [True, False])
@pytest.mark.parametrize("network", ["digits_mlp", "digits_cnn"])
def test_a_smaller_network_answers_like_the_dense_one_with_silenced_channels(
    network: str, share_weights: bool, request: pytest.FixtureRequest
) -> None:
    dense: Trained = request.getfixturevalue(network)
    space = discover_channels(dense.model, dense.images[:1])
    small = materialize(dense.model, space, halves(space), Scattered(), share_weights=share_weights)
    expected = silenced(dense.model, space, halves(space), dense.images[:64])
    with torch.no_grad():
        torch.testing.assert_close(small(dense.images[:64]), expected, rtol=1e-5, atol=1e-5)
    assert sum(p.numel() for p in small.parameters()) < 0.5 * sum(p.numel() for p in dense.model.parameters())


STATED = (
    *("in_channels", "out_channels", "groups", "in_features", "out_features"),
    *("num_features", "num_groups", "num_channels", "num_parameters", "normalized_shape"),
)


def mixed_layers() -> nn.Module:
    return nn.Sequential(
        nn.ConvTranspose2d(1, 16, 2),
        nn.InstanceNorm2d(16, affine=True, track_running_stats=True),
        nn.Conv2d(16, 16, 3, groups=16),
        nn.GroupNorm(16, 16),
        nn.PReLU(16),
        nn.ConvTranspose2d(16, 8, 2),
        nn.Flatten(),
        nn.LazyLinear(16),
        nn.LayerNorm(16),
        nn.Linear(16, 2),
    )


def test_every_stated_shape_follows_the_weights() -> None:
    model = mixed_layers().eval()
    model(torch.randn(1, 1, 6, 6))
    space = discover_channels(model, torch.randn(1, 1, 6, 6), round_to=1)
    small = sliced(model, space, {group.name: torch.arange(3) for group in space.groups})
    assert [{name: getattr(layer, name) for name in STATED if hasattr(layer, name)} for layer in small] == [
        {"in_channels": 1, "out_channels": 3, "groups": 1},
        {"num_features": 3},
        {"in_channels": 3, "out_channels": 3, "groups": 3},
        {"num_groups": 3, "num_channels": 3},
        {"num_parameters": 3},
        {"in_channels": 3, "out_channels": 3, "groups": 1},
        {},
        {"in_features": 3 * 6 * 6, "out_features": 3},
        {"normalized_shape": (3,)},
        {"in_features": 3, "out_features": 2},
    ]
    assert small[1].running_var.shape == (3,)
    assert small(torch.randn(4, 1, 6, 6)).shape == (4, 2)


def test_a_candidate_shares_what_it_does_not_change_and_leaves_the_model_alone() -> None:
    model = ResidualCnn(16).eval()
    before = copy.deepcopy(model.state_dict())
    space = discover_channels(model, torch.randn(1, 1, 8, 8))
    config = Config.of({g.name: 8 if g.name == "block2.conv1" else g.units for g in space.groups}, Form.SLICED)
    small = materialize(model, space, config, Scattered(), share_weights=True)
    assert small.stem.weight is model.stem.weight
    assert small.block2.conv1.weight.shape == (8, 32, 3, 3)
    assert [*model.state_dict()] == [*before]
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())


def test_a_network_that_owns_its_weights_may_be_trained_without_touching_the_dense_one() -> None:
    model = ResidualCnn(16)
    space = discover_channels(model, torch.randn(1, 1, 8, 8))
    small = materialize(model, space, halves(space), Scattered())
    addresses = {p.data_ptr() for p in (*model.parameters(), *model.buffers())}
    assert not addresses & {p.data_ptr() for p in (*small.parameters(), *small.buffers())}
    assert all(p.requires_grad for p in small.parameters())


def test_tied_weights_stay_tied_in_a_network_of_its_own() -> None:
    shared = nn.Linear(8, 8)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), shared)
    model.add_module("again", nn.Linear(8, 8))
    model.again.weight = shared.weight
    space = discover_channels(model, torch.randn(1, 4), round_to=4, ignored=["2", "4"])
    small = materialize(model, space, Config.of({"0": 4}, Form.SLICED), Scattered())
    assert small.again.weight is small[4].weight is not shared.weight


def test_a_config_of_other_groups_is_refused() -> None:
    model = ResidualCnn(8)
    space = discover_channels(model, torch.randn(1, 1, 8, 8))
    with pytest.raises(ConfigError, match="do not match"):
        materialize(model, space, Config.of({"stem": 8}, Form.SLICED), Scattered())


def test_counts_of_a_config_need_no_model() -> None:
    model = ResidualCnn(16)
    space = discover_channels(model, torch.randn(1, 1, 8, 8))
    small = materialize(model, space, halves(space), Scattered(), share_weights=True)
    counts = space.kept_counts(halves(space))
    assert counts["head", Axis.COLUMNS] == small.head.in_features == 64
    assert counts["block1.bn2", Axis.CHANNELS] == small.block1.bn2.num_features == 8
