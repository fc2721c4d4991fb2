"""The image models: published sizes, shapes of every resolution, seeds."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from optimizer.errors import UnknownNameError
from optimizer.families.networks.models import new_model
from search_spaces.transforms.masks.layers import maskable_layers


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(("name", "connections"), [("mlp-small", 12_960), ("mlp-medium", 11_176_000)])
def test_mlps_have_the_published_number_of_connections(name: str, connections: int) -> None:
    layers = maskable_layers(new_model(name, (1, 28, 28), 10, seed=0))
    assert sum(layer.weight.numel() for layer in layers.values()) == connections


@pytest.mark.parametrize(
    ("name", "count"), [("resnet18", 11_689_512), ("resnet34", 21_797_672), ("resnet50", 25_557_032)]
)
def test_resnets_have_the_published_size_at_224_pixels(name: str, count: int) -> None:
    with torch.device("meta"):
        assert parameters(new_model(name, (3, 224, 224), 1000, seed=0)) == count


@pytest.mark.parametrize(("name", "count"), [("vgg11", 132_863_336), ("vgg16", 138_357_544)])
def test_vggs_have_the_published_size_at_224_pixels(name: str, count: int) -> None:
    with torch.device("meta"):
        assert parameters(new_model(name, (3, 224, 224), 1000, seed=0)) == count


def test_the_deep_vgg_has_two_more_fully_connected_layers() -> None:
    with torch.device("meta"):
        plain, deep = (new_model(name, (3, 32, 32), 10, seed=0) for name in ("vgg16", "vgg16-deep"))
    assert len(maskable_layers(deep)) == len(maskable_layers(plain)) + 2


@pytest.mark.parametrize("name", ["mlp-small", "vgg11", "resnet18", "resnet50"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_small_images_pass_through(name: str, shape: tuple[int, int, int]) -> None:
    model = new_model(name, shape, 7, seed=0).eval()
    with torch.inference_mode():
        assert model(torch.randn(2, *shape)).shape == (2, 7)


@pytest.mark.parametrize(("side", "left"), [(8, 8), (28, 14), (64, 32), (96, 24)])
def test_the_stem_keeps_as_much_of_an_image_as_its_size_allows(side: int, left: int) -> None:
    model = new_model("resnet18", (3, side, side), 10, seed=0)
    assert model.stem(torch.randn(1, 3, side, side)).shape == (1, 64, left, left)


def test_equal_seeds_give_equal_weights_and_leave_the_global_state_alone() -> None:
    state = torch.get_rng_state()
    one, other, third = (new_model("mlp-small", (1, 8, 8), 10, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one[1].weight, other[1].weight)
    assert not torch.equal(one[1].weight, third[1].weight)
    assert torch.equal(state, torch.get_rng_state())


def test_an_unknown_model_gets_the_nearest_ones() -> None:
    with pytest.raises(UnknownNameError, match="resnet18"):
        new_model("resnet-18", (1, 8, 8), 10, seed=0)
