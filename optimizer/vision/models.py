"""The image models that need no other library, by name; each is sized by the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn

from optimizer.errors import UnknownNameError
from optimizer.training.randomness import own_randomness
from optimizer.vision.mlp import MEDIUM, SMALL, mlp
from optimizer.vision.resnet import RESNET_18, RESNET_34, RESNET_50, ResNet
from optimizer.vision.tasks import Shape
from optimizer.vision.vgg import VGG_11, VGG_16, Vgg

IMAGE_MODELS: Mapping[str, Callable[[Shape, int], nn.Module]] = {
    "mlp-small": lambda shape, classes: mlp(shape, classes, SMALL),
    "mlp-medium": lambda shape, classes: mlp(shape, classes, MEDIUM),
    "vgg11": lambda shape, classes: Vgg(shape, classes, VGG_11),
    "vgg16": lambda shape, classes: Vgg(shape, classes, VGG_16),
    "vgg16-deep": lambda shape, classes: Vgg(shape, classes, VGG_16, hidden_layers=4),
    "resnet18": lambda shape, classes: ResNet(shape, classes, RESNET_18, bottleneck=False),
    "resnet34": lambda shape, classes: ResNet(shape, classes, RESNET_34, bottleneck=False),
    "resnet50": lambda shape, classes: ResNet(shape, classes, RESNET_50, bottleneck=True),
}
"""`vgg16-deep` has two more fully connected layers (Douzandeh Zenoozi et al. 2026, section 3.4.3)."""


def new_model(name: str, shape: Shape, classes: int, *, seed: int) -> nn.Module:
    """Return an untrained model, equal for equal seeds; the global random state is left as found."""
    if name not in IMAGE_MODELS:
        raise UnknownNameError("--model", name, IMAGE_MODELS)
    with own_randomness(seed, torch.device("cpu")):
        return IMAGE_MODELS[name](shape, classes)
