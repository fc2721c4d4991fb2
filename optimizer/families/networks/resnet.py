"""ResNet-18, -34 and -50 (He et al. 2016), with a stem that fits the size of the images.

Up to 64 pixels the stem is one 3×3 convolution without pooling, of stride 2 from 24 pixels on and of stride 1 below;
above it is the 7×7 convolution of stride 2 with a pooling of stride 2. Stage 1 keeps the resolution, stages 2 to 4
halve it; in ResNet-50 the 3×3 convolution carries the stride.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from optimizer.tasks.images.known import Shape

SMALL_IMAGE = 64
TINY_IMAGE = 24  # below it a stride of 2 would leave the last stages a single pixel
WIDTHS = (64, 128, 256, 512)
RESNET_18, RESNET_34 = (2, 2, 2, 2), (3, 4, 6, 3)
RESNET_50 = (3, 4, 6, 3)


class Block(nn.Module):
    """A residual block: `branch` plus the input, which a 1×1 convolution fits where shapes differ."""

    def __init__(self, branch: nn.Sequential, n_in: int, n_out: int, *, stride: int) -> None:
        super().__init__()
        self.branch = branch
        fits = stride == 1 and n_in == n_out
        self.shortcut = nn.Identity() if fits else nn.Sequential(*_convolution(n_in, n_out, kernel=1, stride=stride))
        self.activation = nn.ReLU()

    def forward(self, inputs: Tensor) -> Tensor:
        """Return `(n, out, h, w)` for `(n, in, h, w)`."""
        result: Tensor = self.activation(self.branch(inputs) + self.shortcut(inputs))
        return result


class ResNet(nn.Module):
    """Stages of residual blocks between a stem and a linear layer."""

    def __init__(self, shape: Shape, classes: int, depths: Sequence[int], *, bottleneck: bool) -> None:
        """Take the number of blocks per stage, and whether they are bottlenecks, four times wider at their ends."""
        super().__init__()
        make, expansion = (_bottleneck, 4) if bottleneck else (_basic, 1)
        self.stem = _stem(shape)
        blocks, n_in = [], WIDTHS[0]
        for stage, (width, depth) in enumerate(zip(WIDTHS, depths, strict=True)):
            for index in range(depth):
                stride = 2 if stage and not index else 1
                n_out = width * expansion
                blocks.append(Block(make(n_in, width, stride), n_in, n_out, stride=stride))
                n_in = n_out
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(n_in, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(n, classes)` of images `(n, c, h, w)`."""
        logits: Tensor = self.classifier(self.pool(self.blocks(self.stem(images))).flatten(1))
        return logits


def _stem(shape: Shape) -> nn.Sequential:
    channels, height, width = shape
    if max(height, width) <= SMALL_IMAGE:
        stride = 1 if max(height, width) < TINY_IMAGE else 2
        return nn.Sequential(*_convolution(channels, WIDTHS[0], kernel=3, stride=stride), nn.ReLU())
    pool = nn.MaxPool2d(3, stride=2, padding=1)
    return nn.Sequential(*_convolution(channels, WIDTHS[0], kernel=7, stride=2), nn.ReLU(), pool)


def _convolution(n_in: int, n_out: int, *, kernel: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(n_in, n_out, kernel, stride=stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return [convolution, nn.BatchNorm2d(n_out)]


def _basic(n_in: int, width: int, stride: int) -> nn.Sequential:
    first = _convolution(n_in, width, kernel=3, stride=stride)
    return nn.Sequential(*first, nn.ReLU(), *_convolution(width, width, kernel=3))


def _bottleneck(n_in: int, width: int, stride: int) -> nn.Sequential:
    narrow = _convolution(n_in, width, kernel=1)
    middle = _convolution(width, width, kernel=3, stride=stride)
    return nn.Sequential(*narrow, nn.ReLU(), *middle, nn.ReLU(), *_convolution(width, 4 * width, kernel=1))
