"""Given: what a caller in Python hands over instead of naming it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from optimizer.errors import InputError
from optimizer.vision.data import ImageData


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A trained network `(n, c, h, w)` -> logits, images, both or neither.

    Raises `InputError` for images whose shapes or labels are not what they say.
    """

    model: nn.Module | None = None
    images: ImageData | None = None

    def __post_init__(self) -> None:
        if self.images is not None:
            for part in (self.images.train, self.images.test):
                _check(part.pixels, part.labels, self.images)


NOTHING = Given()


def _check(pixels: Tensor, labels: Tensor, data: ImageData) -> None:
    if pixels.shape != (len(labels), *data.shape) or not pixels.is_floating_point():
        wanted = "×".join(map(str, ("n", *data.shape)))
        raise InputError("images", f"need floats of shape {wanted} for n labels, got {tuple(pixels.shape)}")
    if labels.is_floating_point() or not len(labels) or labels.min() < 0 or labels.max() >= data.classes:
        raise InputError("images", f"labels must be whole numbers from 0 to {data.classes - 1}")
