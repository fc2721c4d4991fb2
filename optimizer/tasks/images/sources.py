"""Where the images of a named data set come from: a directory, a library that brings or fetches them, or the hub."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from optimizer.errors import InputError
from optimizer.tasks.images.decode import Decoded, decoded
from optimizer.tasks.images.files import PARTS, read_directory, read_npz
from optimizer.tasks.images.known import IMAGE_TASKS
from optimizer.tasks.images.labels import labels_of_column
from optimizer.tasks.images.parts import Indices, Part, of_arrays
from optimizer.tasks.images.tables import LABEL_COLUMN, encoded_cells


def read_parts(name: str, directory: Path | None) -> dict[str, Part]:
    """Return the parts of a data set, `train` at least. Raises `InputError` that says how to get what is not there."""
    if directory is not None:
        return read_directory(directory, name)
    task = IMAGE_TASKS[name]
    if name == "digits":
        return {"train": _digits()}
    if task.hub is not None:
        return _from_hub(name, task.hub)
    if task.is_medical and find_spec("medmnist"):
        return _from_medmnist(name)
    installed = ", or install medmnist (28 pixels)" if task.is_medical else ""
    raise InputError("data", f"download {name} from {task.fetch} and pass its directory as `data`{installed}")


def _digits() -> Part:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return of_arrays((digits.images * (255 / 16)).astype(np.uint8), digits.target.astype(np.int64), "digits")


def _from_medmnist(name: str) -> dict[str, Part]:
    """Read the npz file (28 pixels) in the directory of the package `medmnist`, which fetches what is missing."""
    import medmnist

    file = Path(medmnist.info.DEFAULT_ROOT) / f"{name}.npz"
    if not file.exists():
        fetch = getattr(medmnist, medmnist.INFO[name]["python_class"])
        try:
            fetch(split="train", download=True)
        except RuntimeError as error:
            raise InputError("data", f"medmnist: {' '.join(str(error).split())}") from error
    return read_npz(file)


def _from_hub(name: str, repository: str) -> dict[str, Part]:
    from datasets import load_dataset

    from optimizer.hub import call_hub

    splits = call_hub("dataset", repository, lambda: load_dataset(repository))
    if "train" not in splits:
        raise InputError(
            "dataset", f"{repository} has no train part for {name}; download it and give its directory as `data`"
        )
    return {part: _of_rows(splits[part], part) for part in PARTS if part in splits}


def _of_rows(rows: Any, part: str) -> Part:  # Any: `datasets` is untyped
    from datasets import Image

    image = "img" if "img" in rows.column_names else "image"
    encoded = rows.cast_column(image, Image(decode=False)).with_format("arrow")

    def read(indices: Indices) -> Iterator[Decoded]:
        for index in indices:
            (content,) = encoded_cells(encoded[[int(index)]].column(image), f"{part}: column {image}", None)
            if content is None:
                raise InputError("data", f"{part}, row {index} holds no image")
            yield decoded(content, f"{part}, row {index}")

    labels = encoded.select_columns([LABEL_COLUMN])[:].column(LABEL_COLUMN)
    return Part(labels_of_column(labels, f"{part}: column {LABEL_COLUMN}"), read)
