"""Processor: how a checkpoint of transformers reads images, as the image processor that was saved with it says.

It is transformers' own, with Pillow, which every machine has. The backend with torchvision, which transformers prefers
where it is installed, resizes to values up to two of 255 levels away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import InputError
from optimizer.quiet import quiet_transformers
from optimizer.tasks.images.data import Normalisation
from optimizer.tasks.images.decode import Decoded
from optimizer.tasks.images.known import Shape
from optimizer.torchvision_ops import admit_torchvision

FILE = "preprocessor_config.json"
FILES = (FILE, "processor_config.json")  # newer ones hold it next to a tokenizer's
ROUNDED = "rounded to 8 bits, which the model's image processor takes"
COLOURED = "in grey given three equal channels, as the model takes"


@dataclass(frozen=True)
class Processor:
    """The image processor `stock` of a network of so many `channels`."""

    stock: Any  # Any: one transformers class per kind
    channels: int

    def __call__(self, image: Decoded) -> Decoded:
        """Return an image as the network takes it: float32 `(c, h, w)`, resized and normalised.

        Raises `InputError` naming an image that the network cannot take.
        """
        pixels, remarks = np.rint(image.pixels).astype(np.uint8), image.remarks
        if image.pixels.dtype != np.uint8:
            remarks = (*remarks, ROUNDED)
        if len(pixels) > self.channels:
            raise InputError("data", f"{image.name} is in colour, the model takes grey images; save it as grey")
        if len(pixels) < self.channels:
            pixels, remarks = np.repeat(pixels, self.channels, axis=0), (*remarks, COLOURED)
        try:
            return Decoded(self._processed(pixels), image.name, remarks)
        except ValueError as error:
            raise InputError("data", f"{image.name}: the model's image processor cannot read it: {error}") from error

    @cached_property
    def normalisation(self) -> Normalisation:
        """What it makes of pixels, seen on a black and a white image. Raises `ValueError` where that is no number."""
        with np.errstate(divide="ignore", invalid="ignore"):
            black, white = (self._centre(value).astype(np.float64) for value in (0, 255))
            spread = 255 / (white - black)
            mean = -black * spread
        if not all(map(math.isfinite, (*mean, *spread))):
            raise ValueError("image_mean, image_std and rescale_factor must be finite, the last two not 0")
        return Normalisation(tuple(mean.tolist()), tuple(spread.tolist()))

    def save(self, place: Path) -> None:
        """Write it to a directory, as transformers does."""
        self.stock.save_pretrained(place)

    def _processed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        found = self.stock(images=pixels, input_data_format="channels_first", return_tensors="np")
        return np.asarray(found["pixel_values"][0], dtype=np.float32)

    def _centre(self, value: int) -> NDArray[np.float32]:
        image = self._processed(np.full((self.channels, 16, 16), value, dtype=np.uint8))
        _, height, width = image.shape
        return image[:, height // 2, width // 2]


def read_processor(directory: Path, channels: int) -> Processor | None:
    """Return the image processor saved in the directory of a model of so many channels, None where there is none.

    Raises `InputError` for a file that is not what an image processor writes.
    """
    if not has_processor(directory):
        return None
    admit_torchvision()
    from transformers import AutoImageProcessor

    try:
        with quiet_transformers():
            known: Any = AutoImageProcessor  # untyped
            stock = known.from_pretrained(directory, backend="pil", local_files_only=True, trust_remote_code=False)
            found = Processor(stock, channels)
            found.normalisation  # noqa: B018 - it must work before any image is read
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise InputError("model", f"the image processor in {directory} cannot be loaded: {error}") from error
    return found


def plain_processor(normalisation: Normalisation, shape: Shape) -> Processor | None:
    """Return a processor that resizes to `shape` and normalises; None where it would leave numbers as they are."""
    if normalisation.is_none:
        return None
    admit_torchvision()
    from transformers import ViTImageProcessorPil

    channels, height, width = shape
    mean, spread = ([value / 255 for value in each] for each in (normalisation.mean, normalisation.spread))
    make: Any = ViTImageProcessorPil  # untyped
    return Processor(make(size={"height": height, "width": width}, image_mean=mean, image_std=spread), channels)


def cutting_processor(normalisation: Normalisation, *, shortest: int, side: int) -> Processor:
    """Return a processor that resizes the shorter side to `shortest`, cuts a square of `side` out, and normalises."""
    admit_torchvision()
    from transformers import CLIPImageProcessorPil

    mean, spread = ([value / 255 for value in each] for each in (normalisation.mean, normalisation.spread))
    make: Any = CLIPImageProcessorPil  # untyped
    square = {"height": side, "width": side}
    bilinear = 2  # as Pillow numbers it
    stock = make(
        size={"shortest_edge": shortest}, crop_size=square, image_mean=mean, image_std=spread, resample=bilinear
    )
    return Processor(stock, len(mean))


def has_processor(directory: Path) -> bool:
    """Whether an image processor was saved in a directory."""
    return any((directory / name).exists() for name in FILES)
