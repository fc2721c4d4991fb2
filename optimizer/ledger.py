"""A file that keeps what is finished: one JSON object per line, on the disk when it is added."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from optimizer.errors import InputError


class Keyed(BaseModel):
    """What is finished, under a frozen key: all that it depends on. Equal keys are the same work."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Any  # Any: each kind has its own


Record = TypeVar("Record", bound=Keyed)


class Ledger(Generic[Record]):
    """The finished work of an output directory, all of one kind. One process writes at a time."""

    def __init__(self, path: Path, kind: type[Record]) -> None:
        self._path = path
        self._records: dict[Hashable, Record] = {record.key: record for record in _read(path, kind)}

    def __iter__(self) -> Iterator[Record]:
        """Yield what is finished, in its order."""
        return iter(self._records.values())

    def get(self, key: Hashable) -> Record | None:
        """Return what is finished, None for what is still to do."""
        return self._records.get(key)

    def add(self, record: Record) -> None:
        """Keep a record; it is on the disk when this returns."""
        torn = self._path.exists() and self._path.read_bytes()[-1:] not in (b"", b"\n")
        with self._path.open("a", encoding="utf-8") as file:
            file.write(("\n" if torn else "") + record.model_dump_json() + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._records[record.key] = record


def _read(path: Path, kind: type[Record]) -> list[Record]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [_parsed(path, number, line, kind) for number, line in enumerate(lines, start=1) if _is_whole(line)]


def _is_whole(line: str) -> bool:
    """Return whether a line was written to its end; a process may have been killed before it."""
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return False
    return True


def _parsed(path: Path, number: int, line: str, kind: type[Record]) -> Record:
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        text = f"line {number} of {path.name} is of another version; choose a new directory"
        raise InputError("output", text) from error
