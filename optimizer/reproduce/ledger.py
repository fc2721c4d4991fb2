"""What runs leave behind, and the file that keeps it: one JSON object per line, never repeated."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from optimizer.errors import InputError


class RunKey(BaseModel):
    """All that a run depends on; equal keys are the same run. Each kind of experiment adds its settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str
    dataset: str
    model: str
    configuration: str
    seed: int

    def shared(self) -> dict[str, object]:
        """Return what the runs that are compared with each other share."""
        return self.model_dump(exclude={"configuration", "seed"})


class Recorded(BaseModel):
    """A finished run of any kind under its key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: RunKey

    @property
    def said(self) -> str:
        """What a line of progress says of it."""
        return "done"


class Scored(Recorded):
    """A finished run of what was trained."""

    accuracy: float

    @property
    def said(self) -> str:
        """Its accuracy."""
        return f"accuracy {self.accuracy:.4f}"


Record = TypeVar("Record", bound=Recorded)


class Ledger(Generic[Record]):
    """The finished runs of an output directory, all of one kind. One process writes at a time."""

    def __init__(self, path: Path, kind: type[Record]) -> None:
        self._path = path
        self._records = {record.key: record for record in _read(path, kind)}

    def get(self, key: RunKey) -> Record | None:
        """Return a finished run, None for one that is still to do."""
        return self._records.get(key)

    def add(self, record: Record) -> None:
        """Keep a finished run; it is on the disk when this returns."""
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
