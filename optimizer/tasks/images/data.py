"""Image data sets ready for training: parts, deterministic stratified subsets, normalisation from the training part."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from optimizer.errors import InputError, UnknownNameError, listed
from optimizer.tasks.images.decode import Pixels
from optimizer.tasks.images.known import IMAGE_TASKS, OWN, Shape
from optimizer.tasks.images.labels import count_classes, labelled
from optimizer.tasks.images.parts import Labels, Part
from optimizer.tasks.images.pixels import Prepare, read_pixels
from optimizer.tasks.images.sources import read_parts

UNNAMED = re.compile(r"LABEL_\d+")  # what transformers calls a class without a name
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

    @property
    def is_none(self) -> bool:
        """Whether it leaves numbers as they are."""
        return {*self.mean} == {0.0} and {*self.spread} == {1.0}

    def __call__(self, pixels: Pixels, labels: Labels) -> Images:
        """Return images `(n, c, h, w)` normalised, with their labels."""
        mean, spread = (np.array(each, dtype=np.float32).reshape(1, -1, 1, 1) for each in (self.mean, self.spread))
        return Images(torch.from_numpy((pixels - mean) / spread), torch.from_numpy(labels))

    def for_channels(self, channels: int) -> Normalisation:
        """Return it for images of so many channels: its own, or for one the means of mean and spread over its own.

        Raises `InputError` for any other number.
        """
        if channels == len(self.mean):
            return self
        if channels != 1:
            raise InputError("task", f"has images of {channels} channels, the network takes {len(self.mean)} or 1")
        return Normalisation(*((float(np.mean(each)),) for each in (self.mean, self.spread)))


@dataclass(frozen=True, slots=True)
class ImageData:
    """A data set: what is trained, validated and tested on, normalised alike; not every set has a validation part.

    `notes` say what was converted or set aside while it was read, `names` what the data call their classes, if they do.
    `is_counted` says that `classes` are only as many as the labels show.
    """

    name: str
    shape: Shape
    classes: int
    train: Images
    test: Images
    normalisation: Normalisation
    validation: Images | None = None
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    is_counted: bool = False


def load_images(
    name: str,
    *,
    directory: Path | None = None,
    train_examples: int | None = None,
    test_examples: int | None = None,
    largest: int | None = None,
    normalisation: Normalisation | None = None,
    prepare: Prepare | None = None,
    seed: int = 0,
) -> ImageData:
    """Load a data set, from `directory` if given, else from where its task says; only the images used are decoded.

    Mean and spread per channel are those of the training part, unless a `normalisation` is given, and normalise every
    part. A model's own image processor can `prepare` every image instead, `normalisation` is then what it does. What
    comes unsplit is split at random, stratified: a fifth for testing, and the task's share for validation.
    A data set without a labelled test part is tested on its validation part. `train_examples` and `test_examples`
    (which bounds the validation part too) take stratified subsets; splits and subsets are the same for the same
    `seed`. Images larger than `largest` pixels, or than the task's own bound, are shrunk to it. What
    was converted or set aside is counted in the notes. Raises `InputError`
    naming the option and what to do.
    """
    if name not in IMAGE_TASKS and directory is None:
        raise UnknownNameError("dataset", name, IMAGE_TASKS)
    task = IMAGE_TASKS.get(name, OWN)
    parts = split(labelled(read_parts(name, directory)), validation_share=task.validation_share, seed=seed)
    classes = count_classes(parts, task.classes)
    limits = {"train": train_examples, "validation": test_examples, "test": test_examples}
    chosen = {kind: _subset(part, limits[kind], seed) for kind, part in parts.items()}
    pixels, remarks = read_pixels(chosen, task, largest, prepare)
    channels, height, width = pixels["train"].shape[1:]
    normalise = normalisation.for_channels(channels) if normalisation else normalisation_of(pixels["train"])
    finish = as_prepared if prepare else normalise
    images = {kind: finish(pixels[kind], part.labels) for kind, part in chosen.items()}
    return ImageData(
        name=name,
        shape=(channels, height, width),
        classes=classes,
        train=images["train"],
        test=images["test"],
        validation=images.get("validation"),
        normalisation=normalise,
        notes=(*dict.fromkeys(note for part in parts.values() for note in part.notes), *remarks),
        names=parts["train"].classes,
        is_counted=task.classes is None and not parts["train"].classes,
    )


def as_named(data: ImageData, labels: Mapping[int, str]) -> ImageData:
    """Return the images labelled by a head's own ids, where it has the names of their classes; else as they are.

    Images whose classes have no names get those of the head, where it names any.

    Raises `InputError` for a class that it does not name among others that it does, and for labels without names that
    show another number of classes: those of the head, or others?
    """
    ids = {name: index for index, name in labels.items()}
    is_named = not all(map(UNNAMED.fullmatch, ids))
    if is_named and data.is_counted and len(ids) != data.classes:
        raise InputError(
            "data",
            f"has labels up to {data.classes - 1}, and the model's head calls {len(ids)} classes: {listed(list(ids))}. "
            "Name the classes (a directory each, a column of names, or ImageData(names=…)): names of the head keep it, "
            "others get a new head",
        )
    unknown = [name for name in data.names if name not in ids]
    if is_named and not data.names and len(ids) == data.classes:
        return replace(data, names=tuple(ids))
    if len(unknown) == len(data.names):
        return data
    if unknown:
        raise InputError("data", f"the class {unknown[0]!r} is not one of the model's: {listed(list(ids))}")
    order = torch.tensor([ids[name] for name in data.names])

    def named(part: Images) -> Images:
        return Images(part.pixels, order[part.labels])

    train, test, validation = named(data.train), named(data.test), data.validation and named(data.validation)
    return replace(data, train=train, test=test, validation=validation, classes=len(ids), names=tuple(ids))


def stratified_indices(labels: Labels, count: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Return `count` indices whose classes are as frequent as among `labels`, to within one; sorted, seeded."""
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(labels))
    shuffled = shuffled[np.argsort(labels[shuffled], kind="stable")]
    places = (np.arange(count) + rng.random()) * len(labels) / count
    return np.sort(shuffled[places.astype(np.intp)])


def split(parts: dict[str, Part], *, validation_share: float, seed: int) -> dict[str, Part]:
    """Return parts with `train` and `test` at least: what has no test part is tested on its validation part.

    What is all `train` loses a stratified fifth to `test`, and `validation_share` of the whole to `validation`.
    """
    if "test" in parts:
        return parts
    if "validation" in parts:
        return {"train": parts["train"], "test": parts["validation"]}
    test, rest = _cut(parts["train"], round(TEST_SHARE * len(parts["train"])), seed)
    if not validation_share:
        return {"train": rest, "test": test}
    validation, rest = _cut(rest, round(validation_share * len(parts["train"])), seed)
    return {"train": rest, "validation": validation, "test": test}


def _cut(part: Part, count: int, seed: int) -> tuple[Part, Part]:
    """Return `count` images, at least one, and the others."""
    chosen = stratified_indices(part.labels, max(1, count), seed)
    return part.chosen(chosen), part.chosen(np.setdiff1d(np.arange(len(part)), chosen))


def _subset(part: Part, count: int | None, seed: int) -> Part:
    if count is None or count >= len(part):
        return part
    if count < 1:
        raise InputError("examples", f"at least 1 image is needed, got {count}")
    return part.chosen(stratified_indices(part.labels, count, seed))


def as_prepared(pixels: Pixels, labels: Labels) -> Images:
    """Return images that a model's own image processor has normalised, with their labels."""
    return Images(torch.from_numpy(pixels), torch.from_numpy(labels))


def normalisation_of(pixels: Pixels) -> Normalisation:
    """Return the mean of `pixels` per channel and their spread, 1 where they have none."""
    mean = pixels.mean(axis=(0, 2, 3), dtype=np.float64).astype(np.float32)
    spread = pixels.std(axis=(0, 2, 3), dtype=np.float64).astype(np.float32)
    spread[spread == 0] = 1.0
    return Normalisation(tuple(mean.tolist()), tuple(spread.tolist()))
