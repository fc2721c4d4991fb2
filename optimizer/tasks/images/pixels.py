"""Pixels: the images of all parts, decoded, shrunk, and of one shape; colour and grey may be mixed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from optimizer.errors import InputError
from optimizer.tasks.images.decode import Decoded, Pixels
from optimizer.tasks.images.known import ImageTask
from optimizer.tasks.images.parts import Part

NAMED = 3  # shapes that an error lists
Prepare = Callable[[Decoded], Decoded]  # an image as read -> as a network takes it


def read_pixels(
    parts: Mapping[str, Part], task: ImageTask, largest: int | None, prepare: Prepare | None = None
) -> tuple[dict[str, Pixels], tuple[str, ...]]:
    """Return the pixels of all parts, `(n, c, h, w)` of one shape, and notes on what was converted.

    Images above `largest` pixels, or above the task's own bound, are shrunk to it, unless they are to be `prepare`d.
    Where some images have colours, grey ones get three equal channels. Raises `InputError` naming an image that is not
    what the task or the others are.
    """
    side = min((bound for bound in (largest, task.largest) if bound), default=None)
    ready = prepare or (lambda image: replace(image, pixels=shrunk(image.pixels, side)))
    found = {kind: [ready(image) for image in _checked(part, task)] for kind, part in parts.items()}
    everything = [image for images in found.values() for image in images]
    channels = max(0 if prepare else task.channels or 0, *(len(image.pixels) for image in everything))
    remarks = Counter(remark for image in everything for remark in image.remarks)
    if grey := sum(len(image.pixels) < channels for image in everything):
        remarks["in grey given three equal channels, as other images are in colour"] = grey
    one_shape(everything)
    pixels = {kind: np.stack([_coloured(image.pixels, channels) for image in images]) for kind, images in found.items()}
    return pixels, tuple(f"images {remark}: {count}" for remark, count in remarks.items())


def shrunk(image: Pixels, side: int | None) -> Pixels:
    """Return an image larger than `side` at `side`×`side` (bilinear, its shape not kept), any other as it is."""
    from PIL import Image

    if side is None or max(image.shape[1:]) <= side:
        return image
    channels = [Image.fromarray(channel).resize((side, side), Image.Resampling.BILINEAR) for channel in image]
    return np.stack([np.asarray(channel) for channel in channels])


def _checked(part: Part, task: ImageTask) -> Iterator[Decoded]:
    """Yield a part's images. Raises `InputError` for one that is not as large, or in colour, as the task says."""
    for image in part.images():
        channels, height, width = image.pixels.shape
        if (height, width) != (task.size or height, task.size or width):
            wanted = f"{task.size}×{task.size}"
            raise InputError("data", f"{image.name} has {height}×{width} pixels, those of the task have {wanted}")
        if task.channels and channels > task.channels:
            raise InputError("data", f"{image.name} is in colour, the task's images are grey; save them as grey")
        yield image


def one_shape(images: Sequence[Decoded]) -> None:
    """Raise `InputError` naming images that have not as many pixels as others."""
    sides = {image.pixels.shape[1:]: image.name for image in reversed(images)}
    if len(sides) > 1:
        some = ", ".join(f"{name} has {height}×{width}" for (height, width), name in sorted(sides.items())[:NAMED])
        raise InputError(
            "data",
            f"all images must have as many pixels: {some}; resize them first, or give a checkpoint with "
            "its image processor (preprocessor_config.json)",
        )


def _coloured(image: Pixels, channels: int) -> Pixels:
    return image if len(image) == channels else np.repeat(image, channels, axis=0)
