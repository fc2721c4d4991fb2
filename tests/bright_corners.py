"""Tiny image data that any network learns: the class is the place of a bright patch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

CLASSES = 8  # as the task bloodmnist has, whose name and reader these files use


def write_images(directory: Path, *, side: int, train: int = 96, test: int = 40, channels: int = 3) -> Path:
    """Write an npz file of bytes with `train` and `test` images; return the directory."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", train), ("test", test)):
        labels = np.arange(count) % CLASSES
        shape = (count, side, side, channels) if channels > 1 else (count, side, side)
        images = rng.integers(0, 60, shape).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            row, column = label // 4 * side // 2, label % 4 * side // 4
            image[row : row + side // 2, column : column + side // 4] += 150
        arrays |= {f"{part}_images": images, f"{part}_labels": labels}
    directory.mkdir(parents=True, exist_ok=True)
    np.savez(directory / "images.npz", **arrays)
    return directory
