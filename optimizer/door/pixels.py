"""Pixels: images given as arrays become the data of an image study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from optimizer.errors import InputError, listed
from optimizer.tasks.images.data import TEST_SHARE, ImageData, Images, Normalisation, stratified_indices

Arrays = tuple[Any, Any]  # Any: images `(n, c, h, w)` or `(n, h, w)`, labels `(n,)`; checked here
SPLITS = {"train": "train", "validation": "validation", "valid": "validation", "dev": "validation", "test": "test"}


def images_of(splits: Mapping[str, object], *, outputs: int | None) -> ImageData:
    """Return the images of a study by split; without a test split a stratified fifth of train is tested on.

    Numbers are taken as they are, as float32: the network sees what it was given. `outputs` is the number of classes,
    None: one more than the largest label. Raises `InputError` for anything but arrays of one shape with whole numbers
    from 0 as labels.
    """
    parts: dict[str, Images] = {}
    for name, split in splits.items():
        kind = SPLITS.get(name.lower())
        if kind is None or kind in parts:
            raise InputError("data", f"split {name!r} is not one of train, validation and test, each once")
        parts[kind] = _part(f"data[{name!r}]", split)
    if "train" not in parts:
        raise InputError("data", f"has no split 'train'; it has {listed(list(splits))}")
    parts = _with_test(parts)
    train = parts["train"]
    channels, height, width = train.pixels.shape[1:]
    return ImageData(
        name="images",
        shape=(channels, height, width),
        classes=outputs or int(train.labels.max()) + 1,
        train=train,
        test=parts["test"],
        validation=parts.get("validation"),
        normalisation=Normalisation((0.0,) * channels, (1.0,) * channels),
    )


def _part(name: str, split: object) -> Images:
    if not isinstance(split, tuple):
        raise InputError("data", f"{name} holds no images; give arrays (X, y) with X of shape (n, c, h, w)")
    pixels, labels = _array(name, split[0]), np.asarray(split[1])
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    if pixels.ndim != 4 or not len(pixels):
        raise InputError("data", f"{name} must have images of shape (n, c, h, w) or (n, h, w), got {pixels.shape}")
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
