"""Folders of images: a folder per class, below folders of parts or not; what is not read is named."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np

from optimizer.errors import InputError
from optimizer.tasks.images.decode import image_suffixes
from optimizer.tasks.images.parts import Part, of_encoded

MASK_FOLDERS = {"masks", "ground_truth"}  # next to the images of VisA and similar sets; not to be classified
TABLES = {".csv", ".tsv", ".json", ".jsonl", ".parquet"}
LOOKED_AT = 1000  # files, by which texts and images are told apart
NAMED = 3  # files that a note lists


def read_folders(places: Mapping[str, Path], root: Path) -> dict[str, Part]:
    """Return the parts below their folders; an image's class is the name of its folder.

    No part is returned where there is no image of train. Hidden files, masks and files that are no images are noted.
    Raises `InputError` naming images outside of class folders, links to folders, and classes that train lacks.
    """
    found = {part: _below(place, root) for part, place in places.items()}
    if not found["train"].images:
        return {}
    classes = in_order({image.parent.name for image in found["train"].images})
    if len(classes) < 2:
        raise InputError("data", f"{places['train']} has images of the one class {classes[0]!r}; two are needed")
    return {part: _of_files(part, files, classes, root) for part, files in found.items()}


def holds_only_images(directory: Path) -> bool:
    """Whether there are images or arrays of them below a directory, and no table, which would hold texts."""
    endings = {path.suffix.lower() for path in islice(directory.rglob("*"), LOOKED_AT)}
    return bool(endings & {*image_suffixes(), ".npz"}) and not endings & TABLES


def in_order(names: set[str]) -> list[str]:
    """Return class names in the order of their labels: numbers by value, else by letters."""
    if all(name.isdecimal() and name.isascii() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


@dataclass(frozen=True, slots=True)
class _Files:
    """The content of a folder: the images to read, and by a reason what is not read."""

    images: list[Path] = field(default_factory=list)
    left: dict[str, list[Path]] = field(default_factory=dict)

    def leave(self, reason: str, paths: Sequence[Path]) -> None:
        if paths:
            self.left.setdefault(reason, []).extend(paths)

    def notes(self, part: str, root: Path) -> tuple[str, ...]:
        return tuple(f"{part}: {why} not read: {listed(paths, root)}" for why, paths in self.left.items())


def listed(paths: Sequence[Path], root: Path) -> str:
    """Return how many paths there are, and the first ones as seen from `root`, in words."""
    some = ", ".join(str(path.relative_to(root)) for path in paths[:NAMED])
    return f"{len(paths)} ({some}{', …' * (len(paths) > NAMED)})"


def _below(place: Path, root: Path) -> _Files:
    files = _Files()
    for step, folders, names in os.walk(place, onerror=_refuse):
        here = Path(step)
        hidden = [name for name in (*folders, *names) if name.startswith(".")]
        masks = [name for name in folders if name.lower() in MASK_FOLDERS]
        folders[:] = sorted(set(folders) - {*hidden, *masks})
        _check_links([here / name for name in folders], root)
        seen = [here / name for name in sorted(names) if not name.startswith(".")]
        images, others = _parted(seen)
        if here == place and images:
            raise InputError("data", f"{images[0].relative_to(root)} is outside the class folders; move or remove it")
        files.images.extend(images)
        files.leave("hidden files and folders", [here / name for name in hidden])
        files.leave("folders of masks", [here / name for name in masks])
        files.leave("files other than images", others)
    return files


def _parted(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the images, and the other files."""
    kinds: tuple[list[Path], list[Path]] = [], []
    for path in files:
        kinds[path.suffix.lower() not in image_suffixes()].append(path)
    return kinds


def _refuse(error: OSError) -> None:
    raise InputError("data", f"{error.filename} cannot be read: {error.strerror}")


def _check_links(folders: Sequence[Path], root: Path) -> None:
    for folder in folders:
        if folder.is_symlink():
            raise InputError("data", f"{folder.relative_to(root)} is a link to a folder; put the folder itself there")


def _of_files(part: str, files: _Files, classes: Sequence[str], root: Path) -> Part:
    named = {file.parent.name for file in files.images}
    unknown = sorted(named - set(classes))
    if unknown or not named:
        has = f"the class {unknown[0]!r}, which train lacks" if unknown else "no images"
        raise InputError("data", f"{part} has {has}; its folders must be named after {_some(classes)}")
    number = {name: index for index, name in enumerate(classes)}
    labels = np.array([number[file.parent.name] for file in files.images], dtype=np.int64)
    names = [str(file.relative_to(root)) for file in files.images]
    found = of_encoded(files.images, labels, names).noted(*files.notes(part, root))
    return replace(found, classes=tuple(classes))


def _some(classes: Sequence[str]) -> str:
    shown = ", ".join(classes[:10])
    return shown if len(classes) <= 10 else f"{shown}, … ({len(classes)} classes)"
