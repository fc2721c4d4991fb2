"""Images on disk: parquet with encoded images, npz arrays, or a folder per class, split into parts or not."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import InputError
from optimizer.tasks.images.folders import listed, read_folders
from optimizer.tasks.images.labels import labels_of_array
from optimizer.tasks.images.parts import Part, of_arrays
from optimizer.tasks.images.tables import read_tables

PARTS: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "dev"),
    "test": ("test", "testing"),
}
SHARD = re.compile(r"-[0-9]{5}-of-(?P<all>[0-9]{5})")
Found = tuple[dict[str, Part], set[Path]]  # the parts, and the entries of the directory that they were read from


def read_directory(directory: Path, name: str) -> dict[str, Part]:
    """Return the parts of the data set `name` in a directory: `train`, and `validation` and `test` where they are.

    Files of parts come first: TRAIN.parquet or its shards (here or in `data/`), one npz file (of several that of the
    name), folders TRAIN/CLASS. Without parts, folders of classes are all `train`; an image belongs to the class that
    its folder is named after, at any depth, as in VisA's own OBJECT/Data/Images/Normal. A note names what is
    there and is not read.

    Raises:
        InputError: nothing is there that can be read.
    """
    if not directory.is_dir():
        raise InputError("data", f"{directory} is not a directory; name the one that holds train and test images")
    readers: tuple[Callable[[], Found], ...] = (
        lambda: _parquet(directory),
        lambda: _arrays(directory, name),
        lambda: _folders(directory),
    )
    parts, used = next((found for found in (read() for read in readers) if "train" in found[0]), ({}, set()))
    if not parts:
        raise InputError(
            "data", f"{directory} holds neither train.parquet, nor an npz file, nor folders of images per class"
        )
    return {**parts, "train": parts["train"].noted(*_about_unread(directory, used))}


def _about_unread(directory: Path, used: set[Path]) -> tuple[str, ...]:
    places = {directory, *(path.parent for path in used if path.parent != directory)}
    there = sorted(path for place in places for path in place.iterdir() if not path.name.startswith("."))
    unread = [path for path in there if path not in used and path not in places]
    return (f"files and folders not read: {listed(unread, directory)}",) if unread else ()


def _parquet(directory: Path) -> Found:
    found = {part: _shards(directory, names) for part, names in PARTS.items()}
    if not found["train"]:
        return {}, set()
    parts = {part: read_tables(files, directory) for part, files in found.items() if files}
    return parts, {file for files in found.values() for file in files}


def _shards(directory: Path, names: Sequence[str]) -> list[Path]:
    """Return the parquet files of a part: one of its name, else those that begin with it and a dash."""
    places = [
        place / pattern for place in (directory, directory / "data") for pattern in ("{}.parquet", "{}-*.parquet")
    ]
    for place in places:
        for name in names:
            if files := sorted(place.parent.glob(place.name.format(name))):
                _check_complete(files)
                return files
    return []


def _check_complete(files: Sequence[Path]) -> None:
    """Raise `InputError` naming the number of shards that are missing, where the names tell how many there are."""
    numbered = [found for file in files if (found := SHARD.search(file.stem))]
    missing = max((int(found["all"]) for found in numbered), default=0) - len(numbered)
    if missing > 0:
        raise InputError("data", f"{files[0].name}: shards missing: {missing}; download all of them")


def _arrays(directory: Path, name: str) -> Found:
    files = sorted(directory.glob("*.npz"))
    if len(files) > 1:
        files = [file for file in files if file.stem == name or file.stem.startswith(f"{name}_")]
        if len(files) != 1:
            raise InputError("data", f"{directory} holds several npz files; leave one of {name}")
    return (read_npz(files[0]), set(files)) if files else ({}, set())


def read_npz(file: Path) -> dict[str, Part]:
    """Return the parts of an npz file with the names of MedMNIST: `train_images`, `train_labels`, `val_…`, `test_…`."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            named = {part: next((n for n in names if f"{n}_images" in arrays), None) for part, names in PARTS.items()}
            return {part: _read_arrays(arrays, prefix, file) for part, prefix in named.items() if prefix}
    except InputError:
        raise
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise InputError("data", f"{file.name} cannot be read: {error}") from error


def _read_arrays(arrays: Mapping[str, NDArray[Any]], prefix: str, file: Path) -> Part:  # Any: as in `of_arrays`
    images, labels = f"{prefix}_images", f"{prefix}_labels"
    if labels not in arrays:
        raise InputError("data", f"{file.name} has {images}, but no {labels}")
    read = labels_of_array(arrays[labels], f"{file.name}: {labels}")
    return of_arrays(arrays[images], read, f"{file.name}: {images}")


def _folders(directory: Path) -> Found:
    split = {part: place for part, names in PARTS.items() if (place := _folder(directory, names))}
    if split and "train" not in split:
        return {}, set()
    used = set(split.values()) or set(directory.iterdir())
    return read_folders(split or {"train": directory}, directory), used


def _folder(directory: Path, names: Sequence[str]) -> Path | None:
    """Return the one folder of a part, in letters of any case. Raises `InputError` for two."""
    found = sorted(path for path in directory.iterdir() if path.name.lower() in names and path.is_dir())
    if len(found) > 1:
        raise InputError("data", f"{found[0].name} and {found[1].name} are the same part; leave one")
    return found[0] if found else None
