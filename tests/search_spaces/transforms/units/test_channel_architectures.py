"""The architectures of torchvision, random weights: about half their channels go, and they still run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

from objectives.networks import count_network_flops, flops_by_layer
from objectives.size import count_parameters
from search_spaces.config import Config
from search_spaces.layouts.surgery import sliced
from search_spaces.layouts.traced.discover import discover_channels
from search_spaces.transforms.units.costs import network_flops_cost, network_parameters_cost

ARCHITECTURES: dict[str, tuple[int, int, dict[str, Any]]] = {  # name -> image size, groups, settings
    "alexnet": (64, 7, {}),
    "vgg11": (32, 10, {}),
    "vgg16": (32, 15, {}),
    "resnet18": (32, 12, {}),
    "resnet34": (32, 20, {}),
    "resnet50": (32, 37, {}),
    "resnet101": (32, 71, {}),
    "inception_v3": (75, 94, {"init_weights": False, "aux_logits": False}),
    "densenet121": (32, 120, {}),
    "convnext_tiny": (32, 22, {}),  # a base has more of the same blocks, a hundred million weights
}


HIDDEN = 256  # of a classifier that has 4,096 in its original, a hundred million weights before the convolutions


def network(name: str) -> nn.Module:
    with torch.device("meta"):  # spares drawing so many weights
        model = getattr(models, name)(weights=None, **ARCHITECTURES[name][2])
        if isinstance(model, models.AlexNet | models.VGG):
            _narrow(model.classifier)
    model = model.to_empty(device="cpu").eval()
    drawn = torch.empty(4099).uniform_(0.5, 1.5, generator=torch.Generator().manual_seed(0))  # a prime: none line up
    for tensor in model.state_dict().values():
        if tensor.dtype.is_floating_point:
            scaled = drawn / max(1, tensor[0].numel())
            tensor.view(-1).copy_(scaled.repeat(tensor.numel() // len(drawn) + 1)[: tensor.numel()])
    return model


def _narrow(classifier: nn.Sequential) -> None:
    """Give the hidden layers of a classifier fewer units."""
    *hidden, last = (index for index, layer in enumerate(classifier) if isinstance(layer, nn.Linear))
    inputs = classifier[hidden[0]].in_features
    for index in hidden:
        classifier[index] = nn.Linear(inputs, HIDDEN)
        inputs = HIDDEN
    classifier[last] = nn.Linear(inputs, classifier[last].out_features)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_half_the_channels_of_a_network_go_and_its_flops_are_as_torch_counts_them(name: str) -> None:
    size, groups, _ = ARCHITECTURES[name]
    model, image = network(name), torch.rand(1, 3, size, size)
    space = discover_channels(model, image)
    assert len(space.groups) == groups
    config = Config.of({group.name: group.nearest_level(group.units / 2) for group in space.groups})
    small = sliced(model, space, {n: torch.arange(level) for n, level in config.kept})
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        answer = small(image)
    flops = network_flops_cost(space, flops_by_layer(model, image))
    assert answer.shape == (1, 1000) and answer.isfinite().all()
    assert flops.total(config) == count_network_flops(small, image) == counter.get_total_flops()
    assert network_parameters_cost(model, space).total(config) == count_parameters(small)
    assert 0.2 < flops.ratio(config) < 0.3


def test_an_auxiliary_head_that_evaluation_never_runs_is_left_alone() -> None:
    model = models.inception_v3(weights=None, init_weights=False, aux_logits=True).eval()
    space = discover_channels(model, torch.rand(1, 3, 75, 75))
    assert len(space.groups) == 94
    assert not any(path.startswith("AuxLogits") for path, _ in space.sizes)
