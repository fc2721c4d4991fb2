"""What a network answers on images, and how often it is right."""

from __future__ import annotations

import torch
from torch import nn

from objectives.device import device_of
from objectives.guard import measuring
from optimizer.tasks.images.data import Images

BATCH = 512


def accuracy(model: nn.Module, images: Images) -> float:
    """Return the share of `images` that the model classifies right; its mode is left as found."""
    return float((predictions(model, images) == images.labels).float().mean())


def predictions(model: nn.Module, images: Images) -> torch.Tensor:
    """Return the class `(n,)` that the model gives every image, on the CPU; its mode is left as found."""
    device = device_of(model)
    with measuring(model):
        batches = torch.split(images.pixels, BATCH)
        return torch.cat([model(pixels.to(device)).argmax(dim=1).cpu() for pixels in batches])
