"""A part of an image data set, not read yet: its labels are known, its pixels are read for the images that are used."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import InputError

Pixels = NDArray[np.uint8]  # `(n, channels, height, width)`, or one image without n
Labels = NDArray[np.int64]  # `(n,)`
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Part:
    """Labels `(n,)`, and a reader that yields the images `(c, h, w)` at given indices, in their order."""

    labels: Labels
    read: Callable[[Indices], Iterator[Pixels]]

    def __len__(self) -> int:
        return len(self.labels)

    def chosen(self, indices: Indices) -> Part:
        """Return the part of these images alone; nothing is read."""
        return Part(self.labels[indices], lambda some: self.read(indices[some]))

    def images(self) -> Iterator[Pixels]:
        """Read every image."""
        return self.read(np.arange(len(self)))


def of_arrays(images: NDArray[Any], labels: Labels) -> Part:  # Any: whatever the file holds, checked here
    """Return a part of `(n, h, w)` or `(n, h, w, c)` bytes. Raises `InputError` for anything else."""
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        shape = "×".join(map(str, images.shape))
        raise InputError("--data", f"images must be bytes of shape n×h×w or n×h×w×c, got {images.dtype} of {shape}")
    if len(images) != len(labels):
        raise InputError("--data", f"{len(images)} images for {len(labels)} labels; they must be as many")
    pixels = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return Part(labels, lambda indices: iter(pixels[indices]))


def of_encoded(contents: Sequence[bytes | Path], labels: Labels) -> Part:
    """Return a part of encoded images, in memory or in files."""
    return Part(labels, lambda indices: (decoded(contents[index]) for index in indices))


def decoded(content: bytes | Path) -> Pixels:
    """Return an encoded image as `(c, h, w)`: grey images have one channel, all others three."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content) if isinstance(content, bytes) else content) as image:
            pixels = np.asarray(image if image.mode == "L" else image.convert("RGB"))
    except UnidentifiedImageError as error:
        raise InputError("--data", f"an image cannot be read: {error}") from error
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def shrunk(image: Pixels, side: int | None) -> Pixels:
    """Return an image larger than `side` at `side`×`side` (bilinear, its shape not kept), any other as it is."""
    from PIL import Image

    if side is None or max(image.shape[1:]) <= side:
        return image
    channels = [Image.fromarray(channel).resize((side, side), Image.Resampling.BILINEAR) for channel in image]
    return np.stack([np.asarray(channel) for channel in channels])


def stacked(images: Sequence[Pixels]) -> Pixels:
    """Return images as one array. Raises `InputError` where their shapes differ."""
    shapes = {image.shape for image in images}
    if len(shapes) != 1:
        some = ", ".join("×".join(map(str, shape)) for shape in sorted(shapes)[:3]) or "none"
        raise InputError("--data", f"all images must have one shape, got {some}; resize them first")
    return np.stack(images)
