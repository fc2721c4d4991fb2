"""VGG-11 and VGG-16 (Simonyan & Zisserman 2015), without batch norm, sized by the data.

Pooling rounds up, so that five poolings leave at least one pixel at 28×28. The first fully connected layer takes what
is left: 512×1×1 at 28 and 32 pixels, 512×7×7 at 224 as published.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from optimizer.tasks.images.known import Shape

Stages = Sequence[Sequence[int]]
VGG_11: Stages = ((64,), (128,), (256, 256), (512, 512), (512, 512))
VGG_16: Stages = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
FULLY_CONNECTED = 4096


class Vgg(nn.Module):
    """Convolutions of 3×3 in stages, a pooling after each, then fully connected layers with dropout."""

    def __init__(self, shape: Shape, classes: int, stages: Stages, *, hidden_layers: int = 2) -> None:
        """Take the widths of the `stages`, and how many fully connected layers precede the last one."""
        super().__init__()
        channels, height, width = shape
        self.features = nn.Sequential(*_convolutions(channels, stages))
        shrunk = [math.ceil(side / 2 ** len(stages)) for side in (height, width)]
        widths = [stages[-1][-1] * math.prod(shrunk), *[FULLY_CONNECTED] * hidden_layers]
        self.classifier = nn.Sequential(*_fully_connected(widths), nn.Linear(widths[-1], classes))
        self.apply(_initialise)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(n, classes)` of images `(n, c, h, w)`."""
        logits: Tensor = self.classifier(self.features(images).flatten(1))
        return logits


def _convolutions(channels: int, stages: Stages) -> list[nn.Module]:
    modules: list[nn.Module] = []
    for widths in stages:
        for width in widths:
            modules += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        modules.append(nn.MaxPool2d(2, ceil_mode=True))
    return modules


def _fully_connected(widths: Sequence[int]) -> list[nn.Module]:
    return [module for pair in pairwise(widths) for module in (nn.Linear(*pair), nn.ReLU(), nn.Dropout(0.5))]


def _initialise(module: nn.Module) -> None:
    """Draw weights for ReLU (He et al. 2015): torch's default lets the signal die over sixteen layers."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
