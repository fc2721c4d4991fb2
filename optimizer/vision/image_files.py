"""Images on disk: parquet with encoded images, npz arrays, or a folder per class, as arrays of bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import InputError

Pixels = NDArray[np.uint8]  # `(n, channels, height, width)`
Labels = NDArray[np.int64]  # `(n,)`
Part = tuple[Pixels, Labels]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
PARTS: Mapping[str, tuple[str, ...]] = {"train": ("train",), "test": ("test", "validation", "val")}


def read_directory(directory: Path) -> dict[str, Part]:
    """Return the parts of a data set in a directory: always `train`, and `test` where there is one.

    Raises:
        InputError: nothing is there that can be read, or the images differ in shape.
    """
    if not directory.is_dir():
        raise InputError("--data", f"{directory} is not a directory; name the one that holds train and test images")
    for read in (_parquet, _arrays, _folders):
        parts = read(directory)
        if "train" in parts:
            return parts
    raise InputError(
        "--data", f"{directory} holds neither train.parquet, nor an npz file, nor folders train/CLASS with images"
    )


def stacked(images: Sequence[Pixels]) -> Pixels:
    """Return images as one array. Raises `InputError` where their shapes differ."""
    shapes = {image.shape for image in images}
    if len(shapes) != 1:
        some = ", ".join("×".join(map(str, shape)) for shape in sorted(shapes)[:3]) or "none"
        raise InputError("--data", f"all images must have one shape, got {some}; resize them first")
    return np.stack(images)


def channels_first(images: NDArray[Any]) -> Pixels:  # Any: whatever the file holds, checked here
    """Return `(n, h, w)` or `(n, h, w, c)` images as `(n, c, h, w)` bytes. Raises `InputError` for anything else."""
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        shape = "×".join(map(str, images.shape))
        raise InputError("--data", f"images must be bytes of shape n×h×w or n×h×w×c, got {images.dtype} of {shape}")
    return images[:, None] if images.ndim == 3 else np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def decoded(content: bytes | Path) -> Pixels:
    """Return an encoded image as `(c, h, w)`: grey images have one channel, all others three."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content) if isinstance(content, bytes) else content) as image:
            pixels = np.asarray(image if image.mode == "L" else image.convert("RGB"))
    except UnidentifiedImageError as error:
        raise InputError("--data", f"an image cannot be read: {error}") from error
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _named(directory: Path, suffix: str) -> dict[str, Path]:
    """Return the file or folder of each part, by its first usual name."""
    found = {part: [directory / f"{name}{suffix}" for name in names] for part, names in PARTS.items()}
    return {part: path for part, paths in found.items() for path in paths[::-1] if path.exists()}


def _parquet(directory: Path) -> dict[str, Part]:
    return {part: _read_parquet(path) for part, path in _named(directory, ".parquet").items()}


def _read_parquet(path: Path) -> Part:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    columns = set(table.column_names)
    image, label = next((c for c in ("image", "img") if c in columns), None), "label"
    if image is None or label not in columns:
        raise InputError("--data", f"{path.name} needs the columns image and label, has {', '.join(sorted(columns))}")
    cells = table.column(image).to_pylist()
    pixels = stacked([decoded(cell["bytes"] if isinstance(cell, dict) else cell) for cell in cells])
    return pixels, np.asarray(table.column(label).to_pylist(), dtype=np.int64)


def _arrays(directory: Path) -> dict[str, Part]:
    files = sorted(directory.glob("*.npz"))
    if not files:
        return {}
    if len(files) > 1:
        raise InputError("--data", f"{directory} holds several npz files; leave one, got {[f.name for f in files]}")
    with np.load(files[0], allow_pickle=False) as arrays:
        return {part: _read_arrays(arrays, part) for part in PARTS if f"{part}_images" in arrays}


def _read_arrays(arrays: Mapping[str, NDArray[Any]], part: str) -> Part:  # Any: as in `channels_first`
    if f"{part}_labels" not in arrays:
        raise InputError("--data", f"the npz file has {part}_images, but no {part}_labels")
    return channels_first(arrays[f"{part}_images"]), arrays[f"{part}_labels"].reshape(-1).astype(np.int64)


def _folders(directory: Path) -> dict[str, Part]:
    places = _named(directory, "")
    if "train" not in places:
        return {}
    classes = sorted(path.name for path in places["train"].iterdir() if path.is_dir())
    return {part: _read_folder(place, classes) for part, place in places.items() if place.is_dir()}


def _read_folder(place: Path, classes: Sequence[str]) -> Part:
    files = [(path, index) for index, name in enumerate(classes) for path in _images(place / name)]
    if not files:
        raise InputError("--data", f"{place} has no images in folders of the classes {', '.join(classes) or '(none)'}")
    return stacked([decoded(path) for path, _ in files]), np.array([index for _, index in files], dtype=np.int64)


def _images(folder: Path) -> list[Path]:
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in found if path.suffix.lower() in IMAGE_SUFFIXES)
