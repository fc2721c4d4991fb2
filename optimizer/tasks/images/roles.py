"""Roles: calibration, search and verification images, disjoint by their pixels, and what is left to train on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from optimizer.errors import InputError
from optimizer.spec import StudySpec
from optimizer.tasks.fresh import key_of
from optimizer.tasks.images.data import ImageData, Images, stratified_indices
from optimizer.tasks.images.examples import ImageExamples, image_examples
from optimizer.tasks.texts.repeats import distinct

FEWEST = 6  # images of train: one to search on, two to calibrate on, and some to learn from
SEARCH_FROM_TRAIN = 2000  # images, at most a fifth of train


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """The examples of a study; `rest` is the part of train to train on. Notes count what was set aside."""

    calibration: ImageExamples
    search: ImageExamples
    verification: ImageExamples
    rest: ImageExamples
    notes: tuple[str, ...]


def roles_of(data: ImageData, spec: StudySpec) -> Roles:
    """Return the examples of a study: each image once, and none of the test images among the others.

    Raises `InputError` where fewer images are left than are asked for.
    """
    notes: list[str] = []
    test, test_keys = _once("test", data.test, notes)
    train, train_keys = _once("train", data.train, notes)
    known = set(test_keys)
    own = [place for place, key in enumerate(train_keys) if key not in known]
    if gone := len(train) - len(own):
        notes.append(f"train images: {gone} set aside because test has them too")
        train = _chosen(train, np.array(own, dtype=np.intp))
    if len(train) < FEWEST or not len(test):
        left = f"only {len(train)} different images are left of train and {len(test)} of test"
        raise InputError("data", "; ".join((left, *notes)))
    labels = train.labels.numpy()
    wanted = spec.search_examples or min(SEARCH_FROM_TRAIN, len(labels) // 5)
    _check_size("search_examples", wanted, len(labels) // 2)
    _check_size("verification_examples", spec.verification_examples or 1, len(test))
    searched = stratified_indices(labels, wanted, 0)
    pool = np.setdiff1d(np.arange(len(labels)), searched)
    calibrating = pool[stratified_indices(labels[pool], min(spec.calibration_examples, len(pool) // 2), 0)]
    held = stratified_indices(test.labels.numpy(), spec.verification_examples or len(test), 0)
    return Roles(
        calibration=_examples("calibration", train, calibrating),
        search=_examples("search", train, searched),
        verification=_examples("verification", test, held),
        rest=_examples("train", train, pool),
        notes=tuple(notes),
    )


def image_keys(pixels: Tensor) -> list[bytes]:
    """Return the fingerprint of each image `(n, c, h, w)`."""
    return [key_of(image.contiguous().numpy().data) for image in pixels]


def _once(part: str, images: Images, notes: list[str]) -> tuple[Images, list[bytes]]:
    """Return each image once, with its fingerprint."""
    keys = image_keys(images.pixels)
    found = distinct(keys, images.labels.numpy())
    notes.extend(found.notes(part, "images"))
    once = images if len(found.kept) == len(images) else _chosen(images, found.kept)
    return Images(once.pixels, torch.from_numpy(found.labels)), [keys[place] for place in found.kept]


def _chosen(images: Images, indices: NDArray[np.intp]) -> Images:
    chosen = torch.from_numpy(indices)
    return Images(images.pixels[chosen], images.labels[chosen])


def _examples(role: str, images: Images, indices: NDArray[np.intp]) -> ImageExamples:
    chosen = _chosen(images, indices)
    return image_examples(role, chosen.pixels, chosen.labels.numpy())


def _check_size(option: str, wanted: int, most: int) -> None:
    if wanted > most:
        raise InputError(option, f"asks for {wanted} images, but {most} can be given")
