"""A part of an image data set: its labels are loaded, its pixels are read only for the images that are used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import InputError
from optimizer.tasks.images.decode import Decoded, decoded

Labels = NDArray[np.int64]  # `(n,)`
Indices = NDArray[np.intp]
UNLABELLED = -1


@dataclass(frozen=True, slots=True)
class Part:
    """Labels `(n,)`, and a reader that yields the images at given indices, in their order; notes are for the user.

    `classes` are the names of the labels, where the data name them.
    """

    labels: Labels
    read: Callable[[Indices], Iterator[Decoded]]
    notes: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def chosen(self, indices: Indices) -> Part:
        """Return the part with only these images; nothing is read."""
        return replace(self, labels=self.labels[indices], read=lambda some: self.read(indices[some]))

    def noted(self, *notes: str) -> Part:
        """Return the part with more notes."""
        return replace(self, notes=(*self.notes, *notes))

    def images(self) -> Iterator[Decoded]:
        """Read every image."""
        return self.read(np.arange(len(self)))


def of_arrays(images: NDArray[Any], labels: Labels, name: str) -> Part:  # Any: the file's values, checked here
    """Return a part of `(n, h, w)` or `(n, h, w, c)` bytes. Raises `InputError` for anything else."""
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        shape = "×".join(map(str, images.shape))
        raise InputError(
            "data", f"{name} must be bytes of shape n×h×w, n×h×w×1 or n×h×w×3, got {images.dtype} of {shape}"
        )
    if len(images) != len(labels):
        raise InputError("data", f"{name} holds {len(images)} images for {len(labels)} labels")
    pixels = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return Part(labels, lambda indices: (Decoded(pixels[index], f"{name}[{index}]") for index in indices))


def of_encoded(contents: Sequence[bytes | Path], labels: Labels, names: Sequence[str]) -> Part:
    """Return a part of encoded images, in memory or in files, that errors call by their `names`."""
    return Part(labels, lambda indices: (decoded(contents[index], names[index]) for index in indices))
