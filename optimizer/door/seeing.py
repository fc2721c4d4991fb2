"""Seeing: a pruned image network with its image processor as one module that takes pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from objectives.device import device_of
from optimizer.errors import InputError, a_kind
from optimizer.families.networks.processor import Processor
from optimizer.tasks.images.decode import Decoded, decoded, taken
from optimizer.tasks.images.parts import of_arrays
from optimizer.tasks.images.pixels import one_shape

BATCH = 32


class ImageModel(nn.Module):
    """An image network `net` that resizes and normalises for itself, as its `processor` says, if it is known.

    A picture is a file, its bytes, an image of Pillow, or bytes `(h, w)` or `(h, w, c)`; float tensors and arrays are
    pixels that were prepared. `names` are the names of the classes, where they have any.
    """

    def __init__(self, net: nn.Module, processor: Processor | None, names: Sequence[str] = ()) -> None:
        super().__init__()
        self.net, self.processor, self.names = net, processor, tuple(names)

    def forward(self, images: Any = None, **inputs: Tensor) -> Any:  # Any: what the network answers
        """Return the logits `(n, classes)` of pictures; of prepared pixels `(n, c, h, w)`, what `net` returns."""
        if images is None or isinstance(images, Tensor):
            return self.net(*(() if images is None else (images,)), **inputs)
        answer = self.net(self.prepared(images))
        return getattr(answer, "logits", answer)

    def prepared(self, images: Any) -> Tensor:
        """Return pictures as pixels `(n, c, h, w)` that the network takes. Raises `InputError` naming what is none."""
        if _are_numbers(images):
            pixels = torch.as_tensor(np.asarray(images, dtype=np.float32)).to(device_of(self))
            return pixels[:, None] if pixels.ndim == 3 else pixels
        if self.processor is None:
            raise InputError("images", "must be prepared pixels, because this network has no image processor")
        rows = [images] if _is_one(images) else list(images)
        read = [self.processor(_read(image, f"image {index}")) for index, image in enumerate(rows)]
        one_shape(read)
        return torch.from_numpy(np.stack([image.pixels for image in read])).to(device_of(self))

    def outputs(self, images: Any) -> NDArray[np.float32]:
        """Return the logits `(n, classes)`, computed in batches."""
        rows = [images] if _is_one(images) else images
        with torch.inference_mode():
            parts = [self(rows[start : start + BATCH]) for start in range(0, len(rows), BATCH)]
        return torch.cat([getattr(part, "logits", part).float().cpu() for part in parts]).numpy()

    def predict(self, images: Any) -> list[Any]:
        """Return the class of each picture, by its name where it has one, else by its number."""
        numbers = self.outputs(images).argmax(axis=1).tolist()
        return [self.names[number] if self.names else number for number in numbers]

    def predict_proba(self, images: Any) -> NDArray[np.float32]:
        """Return the probability of each class, in the order of their numbers: `(n, classes)`."""
        return torch.from_numpy(self.outputs(images)).softmax(dim=1).numpy()


def seeing(net: nn.Module, requests: Any) -> nn.Module:  # Any: `Requests` of images
    """Return a network that takes pictures; itself where it is not known how they are prepared."""
    if requests.processor is None:
        return net
    return ImageModel(net, requests.processor, requests.network.labels)


def _is_one(images: Any) -> bool:
    """Whether it is one picture, not several."""
    return isinstance(images, str | Path | bytes) or hasattr(images, "getbands")


def _are_numbers(images: Any) -> bool:
    """Whether images are pixels that were prepared: floats, as an array, a list of arrays, or nested lists."""
    first = images[0] if isinstance(images, list) and images else images
    return isinstance(first, list) or getattr(getattr(first, "dtype", None), "kind", "") == "f"


def _read(image: Any, name: str) -> Decoded:
    if hasattr(image, "getbands"):  # of Pillow
        return taken(image, name)
    if isinstance(image, str):
        image = Path(image)
    if isinstance(image, bytes | Path):
        return decoded(image, str(image) if isinstance(image, Path) else name)
    if isinstance(image, np.ndarray | Tensor):
        (found,) = of_arrays(np.asarray(image)[None], np.zeros(1, dtype=np.int64), name).images()
        return found
    raise InputError("images", f"{name} cannot be {a_kind(image)}; give a file, its bytes, a picture or an array")
