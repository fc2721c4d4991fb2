"""Labels of images: whole numbers from 0 on, read as they are written, or refused in words that say what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import InputError
from optimizer.tasks.images.parts import UNLABELLED, Labels, Part

if TYPE_CHECKING:
    import pyarrow as pa

ONE_EACH = "give one class per image; several labels per image are not supported"


def labels_of_column(column: pa.ChunkedArray[Any], name: str) -> Labels:
    """Return the labels of a table's column, `UNLABELLED` where it is null. Raises `InputError` calling it `name`."""
    import pyarrow as pa

    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type) or pa.types.is_fixed_size_list(column.type):
        raise InputError("data", f"{name} holds lists; {ONE_EACH}")
    if not pa.types.is_integer(column.type):
        raise InputError("data", f"{name} must hold whole numbers from 0 on, got {column.type}")
    try:
        labels: Labels = column.cast(pa.int64()).fill_null(UNLABELLED).to_numpy()
    except pa.ArrowInvalid as error:
        raise InputError("data", f"{name} must hold whole numbers from 0 on: {error}") from error
    return labels


def labels_of_array(values: NDArray[Any], name: str) -> Labels:  # Any: the file's values, checked here
    """Return labels `(n,)` of an array `(n,)` or `(n, 1)`. Raises `InputError` calling it `name`."""
    if values.ndim > 1 and values.shape[1:] != (1,):
        raise InputError("data", f"{name} has the shape {'×'.join(map(str, values.shape))}; {ONE_EACH}")
    if values.dtype.kind not in "iu":
        raise InputError("data", f"{name} must hold whole numbers from 0 on, got {values.dtype}")
    if values.size and values.max() > np.iinfo(np.int64).max:
        raise InputError("data", f"{name} must hold whole numbers from 0 on, got {values.max()}")
    return values.reshape(-1).astype(np.int64)


def labelled(parts: Mapping[str, Part]) -> dict[str, Part]:
    """Return the parts without unlabelled images, noted; a part without labels (ImageNet's test) is left out.

    Raises `InputError` where no part has labels.
    """
    found: dict[str, Part] = {}
    unused: list[str] = []
    for kind, part in parts.items():
        missing = part.labels == UNLABELLED
        if len(part) and missing.all():
            unused.append(f"{kind} has no labels and is not used")
        elif count := int(missing.sum()):
            found[kind] = part.chosen(np.flatnonzero(~missing)).noted(
                f"{kind} images without a label set aside: {count}"
            )
        else:
            found[kind] = part
    if "train" not in found:
        raise InputError("data", "no train image has a label")
    return {**found, "train": found["train"].noted(*unused)}


def count_classes(parts: Mapping[str, Part], classes: int | None) -> int:
    """Return the number of classes: `classes`, else one more than the largest label of train.

    Raises `InputError` for labels outside of them.
    """
    if not all(len(part) for part in parts.values()):
        raise InputError("data", "every part needs images, and there are too few to split")
    everything = np.concatenate([part.labels for part in parts.values()])
    least, most = int(everything.min()), int(everything.max())
    if least == 1 and most == (classes or most):
        raise InputError("data", f"labels run from 1 to {most}; subtract 1, they must begin at 0")
    count = classes or int(parts["train"].labels.max()) + 1
    for kind, part in parts.items():
        for label in (part.labels.min(), part.labels.max()):
            if not 0 <= label < count:
                known = "those of train" if classes is None else "those of the task"
                raise InputError("data", f"{kind} has the label {label}; {known} are 0 to {count - 1}")
    return count
