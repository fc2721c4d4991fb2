"""Pixels: images given as arrays become the data of an image study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from optimizer.errors import InputError, listed
from optimizer.families.networks.processor import Processor
from optimizer.tasks.images.data import (
    TEST_SHARE,
    ImageData,
    Images,
    Normalisation,
    normalisation_of,
    stratified_indices,
)
from optimizer.tasks.images.decode import Decoded
from optimizer.tasks.images.pixels import one_shape

Arrays = tuple[Any, Any]  # Any: images `(n, c, h, w)` or `(n, h, w)`, labels `(n,)`; checked here
CHANNELS = (1, 3)
SPLITS = {"train": "train", "validation": "validation", "valid": "validation", "dev": "validation", "test": "test"}


def images_of(splits: Mapping[str, object], *, is_trained: bool, processor: Processor | None = None) -> ImageData:
    """Return the images of a study by split; without a test split a stratified fifth of train is tested on.

    Numbers are taken as they are, as float32. Bytes are pixels, of pictures of any size where the network has a
    `processor`, which prepares them. Without one they are normalised by mean and spread of train, and refused where the
    network `is_trained`, since only its owner knows how it was normalised. Raises `InputError` for
    anything but arrays of one shape with whole numbers from 0 as labels.
    """
    are_bytes = {name: _is_of_bytes(split) for name, split in splits.items()}
    if processor and all(are_bytes.values()):
        return _prepared(splits, processor)
    if is_trained and any(are_bytes.values()):
        raise InputError(
            "data",
            "has images of bytes; give the numbers that the network takes, such as (X / 255 - mean) / spread, or a "
            "network of transformers with its image processor: optimize((model, processor), …)",
        )
    parts: dict[str, Images] = {}
    for name, split in splits.items():
        kind = SPLITS.get(name.lower())
        if kind is None or kind in parts:
            raise InputError("data", f"split {name!r} is not one of train, validation and test, each once")
        parts[kind] = _part(f"data[{name!r}]", split)
    if "train" not in parts:
        raise InputError("data", f"has no split 'train'; it has {listed(list(splits))}")
    if len({*are_bytes.values()}) > 1:
        raise InputError("data", "has bytes in one split and other numbers in another; give the same kind everywhere")
    parts = _with_test(parts)
    channels, height, width = parts["train"].pixels.shape[1:]
    normalise = Normalisation((0.0,) * channels, (1.0,) * channels)
    if all(are_bytes.values()):
        normalise = normalisation_of(parts["train"].pixels.numpy())
        parts = {kind: normalise(part.pixels.numpy(), part.labels.numpy()) for kind, part in parts.items()}
    train = parts["train"]
    return ImageData(
        name="images",
        shape=(channels, height, width),
        classes=int(train.labels.max()) + 1,
        train=train,
        test=parts["test"],
        validation=parts.get("validation"),
        normalisation=normalise,
        is_counted=True,
    )


def _prepared(splits: Mapping[str, Any], processor: Processor) -> ImageData:
    """Return pictures as the processor prepares them; a note counts what it converted."""
    remarks: Counter[str] = Counter()
    numbers: dict[str, object] = {}
    for name, (images, labels) in splits.items():
        read = [processor(Decoded(_picture(name, image), f"data[{name!r}][{i}]")) for i, image in enumerate(images)]
        one_shape(read)
        remarks.update(remark for image in read for remark in image.remarks)
        numbers[name] = np.stack([image.pixels for image in read]), labels
    notes = tuple(f"images {remark}: {count}" for remark, count in remarks.items())
    return replace(images_of(numbers, is_trained=True), normalisation=processor.normalisation, notes=notes)


def _picture(name: str, image: Any) -> NDArray[np.uint8]:
    """Return the pixels of one picture `(c, h, w)`. Raises `InputError` for another shape."""
    pixels: NDArray[np.uint8] = np.asarray(image)
    pixels = pixels[None] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or pixels.shape[0] not in CHANNELS:
        raise InputError("data", f"data[{name!r}] must have pictures of shape (c, h, w) or (h, w), got {pixels.shape}")
    return pixels


def _is_of_bytes(split: object) -> bool:
    pixels = split[0] if isinstance(split, tuple) else None
    first = pixels[0] if isinstance(pixels, list) and pixels else pixels
    return str(getattr(first, "dtype", "")).removeprefix("torch.") == "uint8"


def _part(name: str, split: object) -> Images:
    if not isinstance(split, tuple):
        raise InputError("data", f"{name} holds no images; give arrays (X, y) with X of shape (n, c, h, w)")
    pixels, labels = _array(name, split[0]), np.asarray(split[1])
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    if pixels.ndim != 4 or not len(pixels):
        raise InputError("data", f"{name} must have images of shape (n, c, h, w) or (n, h, w), got {pixels.shape}")
    if pixels.shape[1] not in CHANNELS and pixels.shape[3] in CHANNELS:
        raise InputError("data", f"{name} has its channels last, {pixels.shape}; give X.transpose(0, 3, 1, 2)")
    if labels.shape != (len(pixels),) or labels.dtype.kind not in "iu":
        raise InputError(
            "data", f"{name} needs one whole number per image, from 0, as label; got {labels.dtype} {labels.shape}"
        )
    return Images(torch.from_numpy(pixels.astype(np.float32)), torch.from_numpy(labels.astype(np.int64)))


def _array(name: str, images: Any) -> np.ndarray[Any, Any]:
    try:
        found = np.asarray(images.detach().cpu() if isinstance(images, torch.Tensor) else images)
    except ValueError as error:
        raise InputError("data", f"{name} has images of different shapes; resize them to one") from error
    if found.dtype.kind not in "biuf":
        raise InputError("data", f"{name} has images of {found.dtype}; give numbers")
    return found


def _with_test(parts: dict[str, Images]) -> dict[str, Images]:
    if "test" in parts:
        return parts
    if "validation" in parts:
        return {"train": parts["train"], "test": parts["validation"]}
    whole = parts["train"]
    tested = stratified_indices(whole.labels.numpy(), max(1, round(TEST_SHARE * len(whole))), 0)
    rest = np.setdiff1d(np.arange(len(whole)), tested)
    return {name: _taken(whole, places) for name, places in {"train": rest, "test": tested}.items()}


def _taken(images: Images, places: np.ndarray[Any, np.dtype[np.intp]]) -> Images:
    chosen = torch.from_numpy(places)
    return Images(images.pixels[chosen], images.labels[chosen])
