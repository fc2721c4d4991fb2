"""Fresh texts: read from a file without labels."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from optimizer.errors import InputError
from optimizer.tasks.fresh import Fresh, fresh_places, key_of
from optimizer.tasks.texts.columns import texts_of
from optimizer.tasks.texts.examples import Encoder
from optimizer.tasks.texts.files import READERS, read_file
from optimizer.tasks.texts.known import Source
from optimizer.tasks.texts.splits import Splits, normal
from optimizer.tasks.texts.table import Table


def fresh_texts(
    path: Path, source: Source, encoder: Encoder, splits: Splits, classes: tuple[str, ...], known: Collection[bytes]
) -> Fresh:
    """Return the texts of a file that are neither in a role of the study nor `known`; case and spacing are ignored.

    Raises `InputError` for a file that cannot be read, lacks a column, or holds nothing fresh.
    """
    read = _read(path, source)
    texts = [text for text in read if text is not None]
    roles = (splits.calibration, splits.search, splits.verification, splits.train)
    seen = {_key(text) for table in roles for text in table.subjects}
    keys = [_key(text) for text in texts]
    chosen = fresh_places(keys, seen | set(known), "texts")
    table = Table(tuple(texts[place] for place in chosen.places), np.zeros(len(chosen.places), dtype=np.int64), ())
    blank = [f"{len(read) - len(texts)} of {len(read)} rows without a text were set aside"]
    return Fresh(
        contents=table.texts,
        columns=source.text_columns or (),
        keys=tuple(keys[place] for place in chosen.places),
        examples=encoder.examples(table, table.labels, "fresh"),
        classes=classes,
        notes=(*(blank if len(read) > len(texts) else ()), *chosen.notes),
    )


def _read(path: Path, source: Source) -> list[tuple[str, ...] | None]:
    if path.suffix not in READERS:
        raise InputError("texts", f"{path} is not a file of {', '.join(READERS)}; give one")
    try:
        return texts_of(read_file(path), source)
    except InputError as error:
        raise InputError("texts", str(error).removeprefix(f"{error.field}: ")) from error


def _key(texts: tuple[str, ...]) -> bytes:
    return key_of(repr(normal(texts)).encode())
