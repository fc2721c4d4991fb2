"""Augmentation: images of a training batch, shifted by a few pixels and, where the data allow it, mirrored.

What a step sees depends on the seed and the number of the step alone, so a training that resumes sees the same.
Labels stay as they are: a shifted digit is that digit. A mirrored one is not, so mirror images are asked for by name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from optimizer.spec import AugmentName
from optimizer.tasks.images.examples import PIXELS
from optimizer.tasks.task import Batch

SHARE = 8  # shifts are up to this part of a side, as of 4 in 32 pixels (He et al. 2016, section 4.2)


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Crops of the padded image; with `flips`, half of the images are mirrored left to right."""

    flips: bool
    seed: int

    def __call__(self, pixels: Tensor, step: int) -> Tensor:
        """Return images `(n, c, h, w)` as the step with this number sees them."""
        rng = np.random.default_rng((self.seed, step))
        height, width = pixels.shape[2:]
        down, right = height // SHARE, width // SHARE
        padded = F.pad(pixels, (right, right, down, down), mode="reflect")
        rows = _places(rng.integers(0, 2 * down + 1, len(pixels)), height, pixels.device)
        columns = _places(rng.integers(0, 2 * right + 1, len(pixels)), width, pixels.device)
        if self.flips:
            mirrored = torch.from_numpy(rng.random(len(pixels)) < 0.5).to(pixels.device)
            columns = torch.where(mirrored[:, None], columns.flip(1), columns)
        images, channels = (torch.arange(n, device=pixels.device) for n in pixels.shape[:2])
        # every axis is indexed: a permuted result of one channel has strides on which torch's convolutions crash
        return padded[
            images[:, None, None, None], channels[:, None, None], rows[:, None, :, None], columns[:, None, None, :]
        ]


def augmentation_of(name: AugmentName, seed: int) -> Augmentation | None:
    """Return the augmentation of a name, None for "none"."""
    return None if name == "none" else Augmentation(flips=name == "crop-flip", seed=seed)


def augmented(batch: Batch, augmentation: Augmentation | None, step: int) -> Batch:
    """Return a batch of images as the step with this number sees it."""
    return batch if augmentation is None else {**batch, PIXELS: augmentation(batch[PIXELS], step)}


def _places(first: NDArray[np.int64], count: int, device: torch.device) -> Tensor:
    return torch.from_numpy(first[:, None] + np.arange(count)).to(device)
