"""Image data sets ready for training: parts, deterministic stratified subsets, normalisation from the training part."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from optimizer.errors import InputError, UnknownNameError
from optimizer.vision.image_files import Labels, Part, Pixels, channels_first, decoded, read_directory, stacked
from optimizer.vision.tasks import IMAGE_TASKS, ImageTask, Shape

TEST_SHARE = 0.2  # where a data set comes in one part


@dataclass(frozen=True, slots=True)
class Images:
    """Normalised images `(n, c, h, w)` with their labels `(n,)`."""

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Normalisation:
    """What was done to pixels between 0 and 255: `mean` per channel taken off, then divided by `spread`."""

    mean: tuple[float, ...]
    spread: tuple[float, ...]

    def __call__(self, part: Part) -> Images:
        """Return a part normalised."""
        mean, spread = (np.array(each, dtype=np.float32).reshape(1, -1, 1, 1) for each in (self.mean, self.spread))
        return Images(torch.from_numpy((part[0] - mean) / spread), torch.from_numpy(part[1]))


@dataclass(frozen=True, slots=True)
class ImageData:
    """A data set: what is trained on and what is tested on, normalised alike."""

    name: str
    shape: Shape
    classes: int
    train: Images
    test: Images
    normalisation: Normalisation


def load_images(
    name: str,
    *,
    directory: Path | None = None,
    train_examples: int | None = None,
    test_examples: int | None = None,
    seed: int = 0,
) -> ImageData:
    """Load a data set, from `directory` if given, else from the hub (`digits` comes with scikit-learn).

    Mean and spread per channel are those of the training part and normalise both. Without a test part a stratified
    fifth is set aside; `train_examples` and `test_examples` take stratified subsets, the same for the same `seed`.
    Raises `InputError` naming the option and what to do.
    """
    if name not in IMAGE_TASKS:
        raise UnknownNameError("--dataset", name, IMAGE_TASKS)
    parts = _with_test(_read(name, directory), seed)
    shape, classes = _checked(IMAGE_TASKS[name], parts)
    train, test = _subset(parts["train"], train_examples, seed), _subset(parts["test"], test_examples, seed)
    normalise = _normalisation(train[0])
    return ImageData(name, shape, classes, normalise(train), normalise(test), normalise)


def stratified_indices(labels: Labels, count: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Return `count` indices whose classes are as frequent as among `labels`, to within one; sorted, seeded."""
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(labels))
    shuffled = shuffled[np.argsort(labels[shuffled], kind="stable")]
    places = (np.arange(count) + rng.random()) * len(labels) / count
    return np.sort(shuffled[places.astype(np.intp)])


def _read(name: str, directory: Path | None) -> dict[str, Part]:
    if directory is not None:
        return read_directory(directory)
    if name == "digits":
        return {"train": _digits()}
    task = IMAGE_TASKS[name]
    if task.hub is None:
        raise InputError("--data", f"{name} must be fetched by hand from {task.fetch}; then give --data DIR")
    return _from_hub(name, task.hub)


def _digits() -> Part:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return channels_first((digits.images * (255 / 16)).astype(np.uint8)), digits.target.astype(np.int64)


def _from_hub(name: str, repository: str) -> dict[str, Part]:
    from datasets import load_dataset

    from optimizer.workloads.hub import call_hub

    splits = call_hub("--dataset", repository, lambda: load_dataset(repository))
    found = {part: splits[part] for part in ("train", "test") if part in splits}
    if "train" not in found:
        raise InputError("--dataset", f"{repository} has no train part for {name}; download it and give --data DIR")
    return {part: _from_rows(rows) for part, rows in found.items()}


def _from_rows(rows: Any) -> Part:  # Any: `datasets` is untyped
    from datasets import Image

    image = "img" if "img" in rows.column_names else "image"
    encoded = rows.cast_column(image, Image(decode=False))
    pixels = stacked([decoded(cell["bytes"] or Path(cell["path"])) for cell in encoded[image]])
    return pixels, np.asarray(rows["label"], dtype=np.int64)


def _with_test(parts: dict[str, Part], seed: int) -> dict[str, Part]:
    if "test" in parts:
        return parts
    pixels, labels = parts["train"]
    chosen = stratified_indices(labels, max(1, round(TEST_SHARE * len(labels))), seed)
    rest = np.setdiff1d(np.arange(len(labels)), chosen)
    return {"train": (pixels[rest], labels[rest]), "test": (pixels[chosen], labels[chosen])}


def _subset(part: Part, count: int | None, seed: int) -> Part:
    pixels, labels = part
    if count is None or count >= len(labels):
        return part
    if count < 1:
        raise InputError("examples", f"at least 1 image is needed, got {count}")
    chosen = stratified_indices(labels, count, seed)
    return pixels[chosen], labels[chosen]


def _checked(task: ImageTask, parts: dict[str, Part]) -> tuple[Shape, int]:
    """Return the shape and the number of classes. Raises `InputError` where the images are not what was named."""
    shapes = {part: (*pixels.shape[1:],) for part, (pixels, _) in parts.items()}
    channels, height, width = shapes["train"]
    for part, shape in shapes.items():
        wanted = (task.channels or channels, task.size or height, task.size or width)
        if shape != wanted:
            raise InputError("--data", f"{part} images are {_words(shape)}, expected {_words(wanted)} (c×h×w)")
    return (channels, height, width), _class_count(task, parts)


def _class_count(task: ImageTask, parts: dict[str, Part]) -> int:
    classes = task.classes or int(parts["train"][1].max()) + 1
    for part, (pixels, labels) in parts.items():
        if len(pixels) != len(labels) or not len(labels):
            raise InputError(
                "--data", f"{part} has {len(pixels)} images for {len(labels)} labels; they must be as many"
            )
        if labels.min() < 0 or labels.max() >= classes:
            raise InputError("--data", f"{part} labels must lie in 0 … {classes - 1}, got up to {labels.max()}")
    return classes


def _words(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _normalisation(pixels: Pixels) -> Normalisation:
    """Return the mean of `pixels` per channel and their spread, 1 where they have none."""
    mean = pixels.mean(axis=(0, 2, 3), dtype=np.float64).astype(np.float32)
    spread = pixels.std(axis=(0, 2, 3), dtype=np.float64).astype(np.float32)
    spread[spread == 0] = 1.0
    return Normalisation(tuple(mean.tolist()), tuple(spread.tolist()))
