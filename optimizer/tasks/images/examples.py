"""Examples of images: one role's normalised pixels and labels, batched like tokenised texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from optimizer.tasks.cutting import in_batches

PIXELS = "pixel_values"  # the argument that every image classifier here takes


@dataclass(frozen=True)
class ImageExamples:
    """Images `(n, c, h, w)` with labels `(n,)`. `hash` is that of both."""

    role: str
    pixels: Tensor
    labels: NDArray[np.int64]
    hash: str

    cut = 0  # images are never cut
    inputs_each = 1

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.labels)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """One for each example: all images cost the same: `(n,)`."""
        return np.ones(len(self), dtype=np.int64)

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which of the answers there are: `(n,)`, all of them."""
        return np.ones(len(self), dtype=bool)

    def subset(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> ImageExamples:
        """Return the examples at `indices`, in that order; the hash stays that of the whole."""
        chosen = np.asarray(indices, dtype=np.intp)
        return ImageExamples(self.role, self.pixels[torch.from_numpy(chosen)], self.labels[chosen], self.hash)

    take = subset  # an image is an example

    def batches(
        self, *, batch_size: int, device: torch.device | str = "cpu", order: NDArray[np.integer[Any]] | None = None
    ) -> Iterator[dict[str, Tensor]]:
        """Yield model inputs with their labels, in their own order unless an `order` `(n,)` is given.

        No batch holds a lone image, unless there is only one: a lone last one joins the batch before it.
        """
        places = np.arange(len(self)) if order is None else np.asarray(order, dtype=np.intp)
        labels = torch.from_numpy(self.labels)
        for some in map(torch.from_numpy, in_batches(places, batch_size)):
            yield {PIXELS: self.pixels[some].to(device), "labels": labels[some].to(device)}


def image_examples(role: str, pixels: Tensor, labels: NDArray[np.int64]) -> ImageExamples:
    """Return examples with their hash."""
    digest = sha256(pixels.contiguous().numpy().data)
    digest.update(np.ascontiguousarray(labels).data)
    return ImageExamples(role, pixels, labels, digest.hexdigest())
