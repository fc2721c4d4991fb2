"""The image models by name, each sized by the data: defined here, or taken from torchvision when one is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import nn

from optimizer.errors import UnknownNameError
from optimizer.families.networks.mlp import MEDIUM, SMALL, mlp
from optimizer.families.networks.names import FROM_TORCHVISION
from optimizer.families.networks.resnet import RESNET_18, RESNET_34, RESNET_50, ResNet
from optimizer.families.networks.torchvision_models import torchvision_model
from optimizer.families.networks.vgg import VGG_11, VGG_16, Vgg
from optimizer.tasks.images.known import Shape
from optimizer.training.randomness import own_randomness

IMAGE_MODELS: Mapping[str, Callable[[Shape, int], nn.Module]] = {
    "mlp-small": lambda shape, classes: mlp(shape, classes, SMALL),
    "mlp-medium": lambda shape, classes: mlp(shape, classes, MEDIUM),
    "vgg11": lambda shape, classes: Vgg(shape, classes, VGG_11),
    "vgg16": lambda shape, classes: Vgg(shape, classes, VGG_16),
    "vgg16-deep": lambda shape, classes: Vgg(shape, classes, VGG_16, hidden_layers=4),
    "resnet18": lambda shape, classes: ResNet(shape, classes, RESNET_18, bottleneck=False),
    "resnet34": lambda shape, classes: ResNet(shape, classes, RESNET_34, bottleneck=False),
    "resnet50": lambda shape, classes: ResNet(shape, classes, RESNET_50, bottleneck=True),
    **{name: partial(torchvision_model, name) for name in FROM_TORCHVISION},
}
"""`vgg16-deep` has two more fully connected layers (Douzandeh Zenoozi et al. 2026, section 3.4.3)."""


def new_model(name: str, shape: Shape, classes: int, *, seed: int, from_torchvision: bool = False) -> nn.Module:
    """Return an untrained model, equal for equal seeds; the global random state is left as found.

    `from_torchvision` takes torchvision's architecture even where this project defines one for small images. Raises
    `UnknownNameError`, and `InputError` for images that are too small or a library that is not installed.
    """
    if name not in IMAGE_MODELS:
        raise UnknownNameError("model", name, IMAGE_MODELS)
    with own_randomness(seed, torch.device("cpu")):
        return torchvision_model(name, shape, classes) if from_torchvision else IMAGE_MODELS[name](shape, classes)
