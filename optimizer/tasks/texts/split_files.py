"""Split files: which file of a directory is which split, and which files are not read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from optimizer.errors import InputError, listed
from optimizer.spec import StudySpec
from optimizer.tasks.texts.files import READERS
from optimizer.tasks.texts.known import BUILT_IN, Source

SPLIT_NAMES: Mapping[str, str] = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "dev": "validation",
    "test": "test",
}
HUB_ID = re.compile(r"[A-Za-z0-9_-][\w.-]*/[\w.-]+")
WHOLE = re.compile(r"-00000-of-00001(-[0-9a-f]+)?$")  # how the hub's tools name a split that is one file
VERSION = re.compile(r"-v[0-9.]+$")  # of SQuAD's train-v1.1.json
SHARD = re.compile(r"-[0-9]{5}-of-[0-9]{5}(-[0-9a-f]+)?$")  # and one of several


def is_place(name: str) -> bool:
    """Whether a name is that of a directory here, and not a hub id: it exists, or cannot be a hub id."""
    return Path(name).exists() or not HUB_ID.fullmatch(name) or Path(name).suffix in READERS


def check_data(spec: StudySpec, source: Source) -> None:
    """Raise `InputError` for a data directory without splits; nothing is read, no hub is called."""
    if spec.data is not None and is_place(spec.data):
        split_files(Path(spec.data), source)
    if spec.data is None and source.name == BUILT_IN and spec.label_column not in (None, "label"):
        raise InputError("label_column", f"the built-in task has column 'label', not {spec.label_column!r}")


def check_more(spec: StudySpec) -> None:
    """Raise `InputError` for verification data that are no file of a known kind; nothing is read."""
    path = None if spec.verification_data is None else Path(spec.verification_data)
    if path is not None and not (path.is_file() and path.suffix in READERS):
        why = f"is no file of a known kind ({', '.join(READERS)})" if path.exists() else "does not exist"
        raise InputError("verification_data", f"{path} {why}; give one file with the columns of the data")


def split_files(directory: Path, source: Source) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Return the file of each split, named after it or alone in a folder that is, and the names of the other files.

    A file in place of a directory is the only split. Raises `InputError` for a directory without splits, or with two
    files for one, shards among them.
    """
    if directory.is_file() and directory.suffix in READERS:
        return {split_named(directory.stem, source) or "train": directory}, ()
    if not directory.is_dir():
        raise InputError("data", _no_directory(directory))
    files = {str(path.relative_to(directory)): path for path in _files(directory)}
    if shards := [name for name, path in files.items() if path.suffix in READERS and _is_shard(path, source)]:
        raise InputError("data", f"{listed(shards)}: a split in several files is not read; join them into one file")
    chosen, unread = chosen_splits(
        {name: _split_of(path, source) if path.suffix in READERS else None for name, path in files.items()}
    )
    if not chosen:
        there = f"; it holds {listed(unread)}" if unread else ""
        kinds = ", ".join(READERS)
        raise InputError("data", f"{directory} holds no split{there}. Name files train, validation or test ({kinds})")
    return {split: files[name] for split, name in chosen.items()}, unread


def chosen_splits(names: Mapping[str, str | None]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the one name of each split, and the names that are of none. Raises `InputError` for two of one split."""
    chosen: dict[str, str] = {}
    for name, split in names.items():
        if split and chosen.setdefault(split, name) != name:
            raise InputError("data", f"two files for split {split!r}: {chosen[split]} and {name}; leave one")
    return chosen, tuple(name for name, split in names.items() if split is None)


def split_named(name: str, source: Source) -> str | None:
    """Return the split that a file, folder or split of the hub is named after, None for any other name."""
    plain = WHOLE.sub("", name.lower())
    own = {source.validation: "validation", source.validation.replace("validation", "dev"): "validation"}
    return {**SPLIT_NAMES, **own}.get(plain)


def _split_of(path: Path, source: Source) -> str | None:
    if path.suffix == ".json":  # a folder of a split may hold other JSON
        return split_named(VERSION.sub("", path.stem), source)
    return split_named(path.stem, source) or split_named(path.parent.name, source)


def _is_shard(path: Path, source: Source) -> bool:
    whole = SHARD.sub("", path.stem)
    return _split_of(path, source) is None and split_named(whole, source) is not None


def _files(directory: Path) -> list[Path]:
    return sorted(
        path
        for path in (*directory.iterdir(), *directory.glob("*/*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(directory).parts)
    )


def _no_directory(place: Path) -> str:
    if place.is_file():
        return f"{place} is not a file of {', '.join(READERS)}; give one, or a directory of train, validation and test"
    return f"there is no directory or file {place}; a hub id looks like owner/name"
