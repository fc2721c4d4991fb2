"""Architectures of torchvision, for images of any number of channels. It is imported when one of them is built."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, cast

import torch
from torch import nn

from optimizer.errors import InputError
from optimizer.families.networks.names import SMALLEST, check_torchvision
from optimizer.tasks.images.known import Shape
from optimizer.torchvision_ops import admit_torchvision

SETTINGS = {"inception_v3": {"init_weights": True, "aux_logits": False}}  # the auxiliary head only serves training


def torchvision_model(name: str, shape: Shape, classes: int) -> nn.Module:
    """Return an untrained network of `SMALLEST`, the first convolution sized for the channels of `shape`.

    Raises `InputError` for images that are too small, and where torchvision is missing or cannot be imported.
    """
    channels, height, width = shape
    if min(height, width) < SMALLEST[name]:
        raise InputError(
            "model",
            f"{name} needs images of at least {SMALLEST[name]} pixels a side, these have {height}×{width}; take larger "
            "images, or another network, such as resnet18",
        )
    build = getattr(_models(name), name)
    model: nn.Module = build(weights=None, num_classes=classes, **SETTINGS.get(name, {}))
    if channels != 3:
        _resize_stem(model, channels)
    return model


class PublishedWeights(NamedTuple):
    """torchvision's weights of a network: their address, the file where torch keeps them, and the images they take.

    Images are resized until their shorter side has `shortest` pixels, then cut to a square of `side` in the middle.
    """

    url: str
    file: Path
    shortest: int
    side: int


def published_weights(name: str) -> PublishedWeights:
    """Return torchvision's first ImageNet weights of a network; nothing is fetched.

    Raises `InputError` where torchvision is missing or cannot be imported.
    """
    weights = _models(name).get_model_weights(name).IMAGENET1K_V1
    file = Path(torch.hub.get_dir()) / "checkpoints" / PurePosixPath(weights.url).name
    transforms = weights.transforms()
    return PublishedWeights(weights.url, file, transforms.resize_size[0], transforms.crop_size[0])


def stem_of(model: nn.Module) -> str:
    """Return the path of the first convolution, which reads the images."""
    return _paths(model, nn.Conv2d)[0]


def head_of(model: nn.Module) -> str:
    """Return the path of the last linear layer, which gives the logits."""
    return _paths(model, nn.Linear)[-1]


def _paths(model: nn.Module, kind: type[nn.Module]) -> list[str]:
    return [str(path) for path, module in model.named_modules() if isinstance(module, kind)]


def _resize_stem(model: nn.Module, channels: int) -> None:
    stem = cast("nn.Conv2d", model.get_submodule(stem_of(model)))
    stem.weight = nn.Parameter(stem.weight.new_empty(stem.out_channels, channels, *stem.kernel_size))
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")
    stem.in_channels = channels


def _models(name: str) -> Any:  # Any: torchvision may not be there
    check_torchvision(name)
    admit_torchvision()
    try:
        from torchvision import models
    except (ImportError, RuntimeError) as error:  # RuntimeError: it describes operators that torch lacks
        raise InputError(
            "model",
            f"{name} comes from torchvision, which cannot be imported with torch {torch.__version__} ({error}); "
            "install the two from one index, of versions that belong together",
        ) from error
    return models
