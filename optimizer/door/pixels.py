"""Pixels: images given as arrays become the data of an image study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from optimizer.errors import InputError, listed
from optimizer.tasks.images.data import (
    TEST_SHARE,
    ImageData,
    Images,
    Normalisation,
    normalisation_of,
    stratified_indices,
)

Arrays = tuple[Any, Any]  # Any: images `(n, c, h, w)` or `(n, h, w)`, labels `(n,)`; checked here
CHANNELS = (1, 3)
SPLITS = {"train": "train", "validation": "validation", "valid": "validation", "dev": "validation", "test": "test"}


def images_of(splits: Mapping[str, object], *, is_trained: bool) -> ImageData:
    """Return the images of a study by split; without a test split a stratified fifth of train is tested on.

    Numbers are taken as they are, as float32. Bytes are pixels: they are normalised by mean and spread of train, and
    refused where the network `is_trained`, since only its owner knows how it was normalised. Raises `InputError` for
    anything but arrays of one shape with whole numbers from 0 as labels.
    """
    are_bytes = {name: _is_of_bytes(split) for name, split in splits.items()}
    if is_trained and any(are_bytes.values()):
        raise InputError(
            "data", "has images of bytes; give the numbers that the network takes, such as (X / 255 - mean) / spread"
        )
    parts: dict[str, Images] = {}
    for name, split in splits.items():
        kind = SPLITS.get(name.lower())
        if kind is None or kind in parts:
            raise InputError("data", f"split {name!r} is not one of train, validation and test, each once")
        parts[kind] = _part(f"data[{name!r}]", split)
    if "train" not in parts:
        raise InputError("data", f"has no split 'train'; it has {listed(list(splits))}")
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
    )


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
