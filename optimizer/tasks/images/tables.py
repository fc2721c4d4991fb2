"""Tables of images: parquet files with columns of encoded images and of labels, as the hub keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from optimizer.errors import InputError
from optimizer.tasks.images.labels import labels_of_column
from optimizer.tasks.images.parts import Labels, Part, of_encoded

if TYPE_CHECKING:
    import pyarrow as pa

IMAGE_COLUMNS, LABEL_COLUMN = ("image", "img"), "label"


def read_tables(files: Sequence[Path], root: Path) -> Part:
    """Return the part that these files contain, one after the other; rows without an image are set aside and noted.

    Raises `InputError` naming the file, the column, and the row where there is one to name.
    """
    contents: list[bytes | Path | None] = []
    labels: list[Labels] = []
    names: list[str] = []
    for file in files:
        own, own_labels = _read(file, root)
        contents += own
        labels.append(own_labels)
        names += [f"{file.name}, row {row}" for row in range(len(own))]
    there = np.array([index for index, content in enumerate(contents) if content is not None], dtype=np.intp)
    part = of_encoded([content or b"" for content in contents], np.concatenate(labels), names).chosen(there)
    missing = [name for name, content in zip(names, contents, strict=True) if content is None]
    note = f"rows without an image set aside: {len(missing)}"
    return part.noted(f"{note}, the first in {missing[0]}") if missing else part


def _read(file: Path, root: Path) -> tuple[list[bytes | Path | None], Labels]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(file).read()
    except (pa.ArrowException, OSError) as error:
        raise InputError("data", f"{file.name} cannot be read: {error}") from error
    image = next((column for column in IMAGE_COLUMNS if column in table.column_names), None)
    if image is None or [table.column_names.count(column) for column in (image, LABEL_COLUMN)] != [1, 1]:
        has = ", ".join(sorted(table.column_names))
        raise InputError("data", f"{file.name} needs one column image and one column label, has {has}")
    labels = labels_of_column(table.column(LABEL_COLUMN), f"{file.name}: column {LABEL_COLUMN}")
    return encoded_cells(table.column(image), f"{file.name}: column {image}", root), labels


def encoded_cells(column: pa.ChunkedArray[Any], name: str, root: Path | None) -> list[bytes | Path | None]:
    """Return the encoded images of a column: bytes, or the files that it names below `root`; None where it is null.

    Raises `InputError` calling the column `name` where it holds something else.
    """
    import pyarrow as pa

    kind = column.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return column.to_pylist()  # type: ignore[no-any-return]  # as its type says
    if not pa.types.is_struct(kind) or {field.name for field in kind} != {"bytes", "path"}:
        raise InputError("data", f"{name} must hold encoded images (bytes), got {kind}")
    return [_cell(cell, f"{name}, row {row}", root) for row, cell in enumerate(column.to_pylist())]


def _cell(cell: dict[str, Any] | None, name: str, root: Path | None) -> bytes | Path | None:  # Any: checked before
    if cell is None or (cell["bytes"] is None and not cell["path"]):
        return None
    if cell["bytes"] is not None:
        return bytes(cell["bytes"])
    file = Path(cell["path"])
    if root is None:
        return file
    if not (root / file).resolve().is_relative_to(root.resolve()):
        raise InputError("data", f"{name} names a file outside of the data directory: {file}")
    return root / file
