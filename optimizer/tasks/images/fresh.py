"""Fresh images: a folder of image files without labels, at any depth."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from optimizer.errors import InputError
from optimizer.tasks.fresh import Fresh, fresh_places
from optimizer.tasks.images.data import ImageData, Images, as_prepared
from optimizer.tasks.images.decode import image_suffixes
from optimizer.tasks.images.examples import image_examples
from optimizer.tasks.images.known import IMAGE_TASKS, OWN
from optimizer.tasks.images.parts import Part, of_encoded
from optimizer.tasks.images.pixels import Prepare, read_pixels
from optimizer.tasks.images.roles import image_keys


def fresh_images(place: Path, data: ImageData, known: Collection[bytes], prepare: Prepare | None = None) -> Fresh:
    """Return the images below a folder that are neither in the study's data nor `known`, by their pixels.

    `prepare` is what the study's own images went through. Raises `InputError` for a place without images, or with
    images of another shape than the study's.
    """
    files = sorted(path for path in place.rglob("*") if path.suffix.lower() in image_suffixes())
    if not files:
        raise InputError("texts", f"{place} is not a folder of images; give one")
    names = [str(path.relative_to(place)) for path in files]
    images, remarks = _images(of_encoded(files, np.zeros(len(files), dtype=np.int64), names), data, prepare)
    parts = [part for part in (data.train, data.validation, data.test) if part is not None]
    seen = {key for part in parts for key in image_keys(part.pixels)}
    keys = image_keys(images.pixels)
    chosen = fresh_places(keys, seen | set(known), "images")
    picked = list(chosen.places)
    return Fresh(
        contents=tuple((names[index],) for index in picked),
        columns=("image",),
        keys=tuple(keys[index] for index in picked),
        examples=image_examples("fresh", images.pixels[picked], images.labels.numpy()[picked]),
        classes=data.names or tuple(map(str, range(data.classes))),
        notes=(*remarks, *chosen.notes),
        what="images",
    )


def _images(part: Part, data: ImageData, prepare: Prepare | None) -> tuple[Images, tuple[str, ...]]:
    """Return the images as the study's network takes them, and notes on what was converted."""
    if data.normalisation.is_none:
        raise InputError(
            "texts",
            "the study was given numbers, and files cannot be prepared like them; give the study pictures with an "
            "image processor, or ImageData with its normalisation",
        )
    task = IMAGE_TASKS.get(data.name, OWN)
    channels = data.shape[0]
    try:
        found, remarks = read_pixels({"fresh": part}, task, None, prepare)
    except InputError as error:
        raise InputError("texts", str(error).removeprefix(f"{error.field}: ")) from error
    pixels = found["fresh"]
    if pixels.shape[1] < channels:
        pixels = np.repeat(pixels, channels, axis=1)
    if pixels.shape[1:] != data.shape:
        given, wanted = ("×".join(map(str, shape)) for shape in (pixels.shape[1:], data.shape))
        raise InputError("texts", f"the images are {given}, those of the study {wanted}; convert them first")
    finish = as_prepared if prepare else data.normalisation
    return finish(pixels, part.labels), remarks
