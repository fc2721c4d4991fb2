"""Scores of a classification: accuracy, and precision, recall and F1 as means over the classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from objectives.device import device_of
from objectives.guard import measuring
from optimizer.tasks.images.data import Images

BATCH = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Fractions; a class that is never predicted has precision 0, one without examples is left out."""

    accuracy: float
    precision: float
    recall: float
    f1: float


def scores(model: nn.Module, images: Images) -> Scores:
    """Return how well the model classifies `images`; its mode is left as found."""
    predicted, labels = predictions(model, images).numpy(), images.labels.numpy()
    classes = np.unique(labels)
    right = np.array([np.sum((predicted == index) & (labels == index)) for index in classes])
    asked, given = (np.array([np.sum(values == index) for index in classes]) for values in (labels, predicted))
    return Scores(
        accuracy=float(right.sum() / len(labels)),
        precision=float(np.mean(right / np.maximum(given, 1))),
        recall=float(np.mean(right / asked)),
        f1=float(np.mean(2 * right / (asked + given))),
    )


def accuracy(model: nn.Module, images: Images) -> float:
    """Return the share of `images` that the model classifies right; its mode is left as found."""
    return float((predictions(model, images) == images.labels).float().mean())


def predictions(model: nn.Module, images: Images) -> torch.Tensor:
    """Return the class `(n,)` that the model gives every image, on the CPU; its mode is left as found."""
    device = device_of(model)
    with measuring(model):
        batches = torch.split(images.pixels, BATCH)
        return torch.cat([model(pixels.to(device)).argmax(dim=1).cpu() for pixels in batches])
