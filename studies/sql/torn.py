"""Torn records: rows that cannot be read. None of them makes the others unreadable."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

Record = TypeVar("Record")
Key = TypeVar("Key")
TORN = (ValueError, LookupError, TypeError)  # broken JSON, a broken date, or an unknown word
log = logging.getLogger(__name__)


def readable(
    whole: Callable[[], Sequence[Record]],
    keys: Callable[[], Iterable[Key]],
    one: Callable[[Key], Sequence[Record]],
    stand_in: Callable[[Key, str], Record],
) -> list[Record]:
    """Return all records. Where one is torn they are read one by one, with a stand-in for each torn one."""
    try:
        return list(whole())
    except TORN:
        return [record for key in list(keys()) for record in _read(key, one, stand_in)]


def _read(key: Key, one: Callable[[Key], Sequence[Record]], stand_in: Callable[[Key, str], Record]) -> Sequence[Record]:
    try:
        return one(key)
    except TORN as error:
        log.warning("a record cannot be read: %s: %s", key, error)
        return [stand_in(key, f"its record cannot be read: {error}")]
