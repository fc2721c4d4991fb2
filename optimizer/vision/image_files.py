"""Images on disk: parquet with encoded images, npz arrays, or a folder per class, split into parts or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import InputError
from optimizer.vision.parts import Labels, Part, of_arrays, of_encoded

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
PARTS: Mapping[str, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("validation", "val", "valid"),
    "test": ("test",),
}
MASK_FOLDERS = {"masks", "ground_truth"}  # beside the images of VisA and its like; no image to classify


def read_directory(directory: Path, name: str) -> dict[str, Part]:
    """Return the parts of the data set `name` in a directory: `train`, and `validation` and `test` where they are.

    Files of parts come first: TRAIN.parquet or its shards (here or in `data/`), one npz file (of several that of the
    name), folders TRAIN/CLASS. Without parts, folders of classes are all `train`; an image belongs to the class that
    its folder is named after, however deep it lies, as in VisA's own OBJECT/Data/Images/Normal.

    Raises:
        InputError: nothing is there that can be read.
    """
    if not directory.is_dir():
        raise InputError("--data", f"{directory} is not a directory; name the one that holds train and test images")
    readers = (_parquet(directory), _arrays(directory, name), _folders(directory))
    found = next((parts for parts in readers if "train" in parts), None)
    if found is None:
        raise InputError(
            "--data", f"{directory} holds neither train.parquet, nor an npz file, nor folders of images per class"
        )
    return found


def _parquet(directory: Path) -> dict[str, Part]:
    found = {part: _shards(directory, names) for part, names in PARTS.items()}
    return {part: _read_parquet(files) for part, files in found.items() if files}


def _shards(directory: Path, names: Sequence[str]) -> list[Path]:
    """Return the parquet files of a part: one of its name, else those that begin with it and a dash."""
    places = [
        place / pattern for place in (directory, directory / "data") for pattern in ("{}.parquet", "{}-*.parquet")
    ]
    for place in places:
        for name in names:
            if files := sorted(place.parent.glob(place.name.format(name))):
                return files
    return []


def _read_parquet(files: Sequence[Path]) -> Part:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.concat_tables([pq.read_table(file) for file in files])
    columns = set(table.column_names)
    image = next((column for column in ("image", "img") if column in columns), None)
    if image is None or "label" not in columns:
        raise InputError(
            "--data", f"{files[0].name} needs the columns image and label, has {', '.join(sorted(columns))}"
        )
    cells = table.column(image).to_pylist()
    return of_encoded([_encoded(cell) for cell in cells], _labels(table.column("label").to_numpy()))


def _encoded(cell: Any) -> bytes | Path:  # Any: bytes, or what the hub's files hold
    if isinstance(cell, dict):
        return cell["bytes"] or Path(cell["path"])
    return bytes(cell)


def _arrays(directory: Path, name: str) -> dict[str, Part]:
    files = sorted(directory.glob("*.npz"))
    if len(files) > 1:
        files = [file for file in files if file.stem == name or file.stem.startswith(f"{name}_")]
        if len(files) != 1:
            raise InputError("--data", f"{directory} holds several npz files; leave one of {name}")
    return read_npz(files[0]) if files else {}


def read_npz(file: Path) -> dict[str, Part]:
    """Return the parts of an npz file with the names of MedMNIST: `train_images`, `train_labels`, `val_…`, `test_…`."""
    with np.load(file, allow_pickle=False) as arrays:
        named = {part: next((n for n in names if f"{n}_images" in arrays), None) for part, names in PARTS.items()}
        return {part: _read_arrays(arrays, prefix) for part, prefix in named.items() if prefix}


def _read_arrays(arrays: Mapping[str, NDArray[Any]], prefix: str) -> Part:  # Any: as in `of_arrays`
    if f"{prefix}_labels" not in arrays:
        raise InputError("--data", f"the npz file has {prefix}_images, but no {prefix}_labels")
    return of_arrays(arrays[f"{prefix}_images"], _labels(arrays[f"{prefix}_labels"].reshape(-1)))


def _folders(directory: Path) -> dict[str, Part]:
    places = {
        part: next((directory / name for name in names if (directory / name).is_dir()), None)
        for part, names in PARTS.items()
    }
    split = {part: place for part, place in places.items() if place}
    if split and "train" not in split:
        return {}
    split = split or {"train": directory}
    files = {part: _images(place) for part, place in split.items()}
    classes = sorted({file.parent.name for file in files["train"]})
    if not classes:
        return {}
    if len(classes) < 2:
        raise InputError("--data", f"{split['train']} has images of the one class {classes[0]!r}; two are needed")
    return {part: _of_files(part, found, classes) for part, found in files.items()}


def _images(place: Path) -> list[Path]:
    """Return the images below a folder, masks left out."""
    found = (file for file in sorted(place.rglob("*")) if file.suffix.lower() in IMAGE_SUFFIXES)
    return [file for file in found if not MASK_FOLDERS & {step.lower() for step in file.relative_to(place).parts}]


def _of_files(part: str, files: Sequence[Path], classes: Sequence[str]) -> Part:
    named = {file.parent.name for file in files}
    unknown = sorted(named - set(classes))
    if unknown or not named:
        has = f"the class {unknown[0]!r}, which train has not" if unknown else "no images"
        raise InputError("--data", f"{part} has {has}; its folders must be named after {', '.join(classes)}")
    return of_encoded(files, _labels(np.array([classes.index(file.parent.name) for file in files])))


def _labels(values: NDArray[Any]) -> Labels:  # Any: whatever the file holds, checked here
    if values.dtype.kind not in "iu":
        raise InputError("--data", f"labels must be whole numbers from 0 on, got {values.dtype}")
    return values.astype(np.int64)
