"""Data: what Python code may give as data: a name, a directory, or tables and arrays in memory, split or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from optimizer.door.pixels import images_of
from optimizer.errors import InputError, a_kind
from optimizer.families.names import TASK_NAMES
from optimizer.families.networks.processor import Processor
from optimizer.tasks.images.data import ImageData
from optimizer.tasks.images.decode import taken
from optimizer.tasks.texts.sheet import Sheet, sheet_of, sheet_of_dataset

ONLY = "train"  # the name of a split that comes alone
TEXT, OTHER, LABEL = "text", "text_pair", "label"
KINDS = (
    "a name, a directory, a file, a DataFrame, a datasets.DatasetDict, arrays (X, y), a loader, or a dict of these by "
    "split (train, validation, test)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """What was given as data: spec `fields` that name it, or `texts` or `images` in memory.

    `task` is the name of the task where none is given.
    """

    task: str | None = None
    fields: Mapping[str, Any]  # Any: values of spec fields
    texts: Mapping[str, Sheet] | None = None
    images: ImageData | None = None

    @property
    def is_named(self) -> bool:
        """Whether it is only named, if it is given at all."""
        return self.texts is None and self.images is None


def taken_data(
    data: object, *, is_of_images: bool, is_trained: bool = False, processor: Processor | None = None
) -> Data:
    """Return data as they were given; `is_of_images`: the model takes images; `is_trained`: as they are given.

    The model's own `processor`, where it is known, prepares pictures.

    Raises `InputError` for what is not data, and for values that are neither texts nor images.
    """
    if data is None:
        return Data(fields={})
    if isinstance(data, ImageData):
        return Data(task=data.name, fields={}, images=data)
    if isinstance(data, str | PathLike):
        return _named(str(fspath(data)))
    splits = {name: _split(name, value) for name, value in _by_split(data).items()}
    arrays = {name: split for name, split in splits.items() if not isinstance(split, Sheet)}
    if arrays or is_of_images:
        return Data(task="images", fields={}, images=images_of(splits, is_trained=is_trained, processor=processor))
    sheets = {name: split for name, split in splits.items() if isinstance(split, Sheet)}
    is_paired = all(OTHER in sheet.columns and TEXT in sheet.columns for sheet in sheets.values())
    return Data(task="texts", fields={"text_columns": (TEXT, OTHER)} if is_paired else {}, texts=sheets)


def _named(name: str) -> Data:
    """Return a built-in task by its name, else a place; what exists here is a place."""
    if name in TASK_NAMES and not Path(name).exists():
        return Data(task=name, fields={"task": name})
    stem = PurePath(name).stem
    return Data(task=f"{stem}-data" if stem in TASK_NAMES else stem, fields={"data": name})


def _by_split(data: object) -> Mapping[str, object]:
    if not isinstance(data, Mapping):
        return {ONLY: data}
    if not data:
        raise InputError("data", f"is empty; give {KINDS}")
    if all(isinstance(values, list | np.ndarray | pd.Series | Tensor) for values in data.values()):
        return {ONLY: data}  # a table by columns
    return {str(name): split for name, split in data.items()}


def _split(name: str, value: object) -> Sheet | tuple[Any, Any]:
    """Return a split as a sheet, or as arrays of images with their labels."""
    label = "data" if name == ONLY else f"data[{name!r}]"
    if isinstance(value, pd.DataFrame):
        return _sheet_of_frame(label, value)
    if isinstance(value, Mapping):
        return sheet_of(label, {str(column): _values(values) for column, values in value.items()})
    if isinstance(value, tuple) and len(value) == 2:
        return _of_arrays(label, *value)
    if hasattr(value, "with_format") and hasattr(value, "column_names"):
        return _of_table(label, value)
    if isinstance(value, DataLoader | Dataset):
        return _of_arrays(label, *_loaded(label, value))
    raise InputError("data", f"cannot be {a_kind(value)}; give {KINDS}")


def _sheet_of_frame(name: str, frame: pd.DataFrame) -> Sheet:
    columns = tuple(map(str, frame.columns))
    return Sheet(
        name=name,
        columns=columns,
        size=len(frame),
        read=lambda column: _values(frame.iloc[:, columns.index(column)]),
    )


def _of_table(name: str, table: Any) -> Sheet | tuple[Any, Any]:  # Any: `datasets` is untyped
    """Return the sheet of a table of `datasets`, or its images."""
    pictures = [column for column, feature in table.features.items() if type(feature).__name__ == "Image"]
    if not pictures:
        return sheet_of_dataset(name, table)
    labels = next((column for column in (LABEL, "labels") if column in table.column_names), None)
    if labels is None:
        raise InputError("data", f"{name} has no column 'label'; it has {', '.join(table.column_names)}")
    return _pixels(name, table[pictures[0]]), np.asarray(table[labels])


def _pixels(name: str, pictures: Iterable[Any]) -> list[np.ndarray[Any, Any]]:
    """Return the pixels of Pillow's pictures, each `(c, h, w)`."""
    return [taken(picture, f"{name}, row {row}").pixels for row, picture in enumerate(pictures)]


def _of_arrays(name: str, inputs: object, labels: object) -> Sheet | tuple[Any, Any]:
    """Return texts `(n,)` or `(n, 1)`, or pairs `(n, 2)`, as a sheet; numbers as they are, with their labels."""
    answers = _values(labels)
    if isinstance(inputs, pd.DataFrame):
        inputs = inputs.to_numpy()
    if isinstance(inputs, list | tuple) and inputs and all(hasattr(each, "getbands") for each in inputs):
        inputs = _pixels(name, inputs)
    if _is_of_numbers(inputs):
        _check_lengths(name, len(inputs), len(answers))  # type: ignore[arg-type]  # an array or a list of them
        return inputs, labels
    texts = _values(_of_one_column(name, inputs))
    _check_lengths(name, len(texts), len(answers))
    if texts and all(isinstance(text, list | tuple | np.ndarray) and len(text) == 2 for text in texts):
        first, second = zip(*texts, strict=True)
        return sheet_of(name, {TEXT: list(first), OTHER: list(second), LABEL: answers})
    return sheet_of(name, {TEXT: texts, LABEL: answers})


def _of_one_column(name: str, inputs: Any) -> Any:  # Any: as given
    """Return a table of one column as that column. Raises `InputError` for a table of more than two."""
    if not isinstance(inputs, np.ndarray) or inputs.ndim != 2:
        return inputs
    if inputs.shape[1] > 2:
        raise InputError("data", f"{name} has {inputs.shape[1]} columns; give that of the texts, or two of pairs")
    return inputs[:, 0] if inputs.shape[1] == 1 else inputs


def _is_of_numbers(inputs: object) -> bool:
    """Whether inputs are an array of numbers, or a list of such arrays."""
    first = inputs[0] if isinstance(inputs, list | tuple) and inputs else inputs
    return isinstance(first, Tensor) or (isinstance(first, np.ndarray) and first.dtype.kind in "biufc")


def _check_lengths(name: str, inputs: int, labels: int) -> None:
    if inputs != labels:
        raise InputError("data", f"{name} has {inputs} inputs for {labels} labels; give one label per input")


def _values(values: object) -> list[Any]:
    """Return a column's values as Python's own; a missing one of pandas is None."""
    if isinstance(values, pd.Series):
        return values.astype(object).where(values.notna(), None).tolist()
    if isinstance(values, np.ndarray | Tensor):
        return list(values.tolist())
    if isinstance(values, Iterable) and not isinstance(values, str):
        return list(values)
    raise InputError("data", f"a column cannot be {a_kind(values)}; give a list, an array or a Series")


def _loaded(name: str, loader: Any) -> tuple[Any, Any]:
    """Return all that a loader or a data set of torch gives, which must be (inputs, labels)."""
    is_batched = isinstance(loader, DataLoader) and loader.batch_size is not None
    inputs: list[Any] = []
    labels: list[Any] = []
    for item in _items(loader):
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise InputError("data", f"{name} must give (inputs, labels), got {a_kind(item)}")
        inputs.extend(item[0] if is_batched else [item[0]])
        labels.extend(item[1] if is_batched else [item[1]])
    answers = [label.item() if isinstance(label, Tensor | np.generic) else label for label in labels]
    if inputs and isinstance(inputs[0], Tensor | np.ndarray):
        return np.stack([np.asarray(value) for value in inputs]), np.asarray(answers)
    return inputs, answers


def _items(loader: Any) -> Iterator[Any]:
    if isinstance(loader, DataLoader) or not hasattr(loader, "__len__"):
        return iter(loader)
    return (loader[place] for place in range(len(loader)))
