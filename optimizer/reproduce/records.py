"""What one run leaves behind, and the file that keeps it: one JSON object per line, never repeated."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from optimizer.errors import InputError


class RunKey(BaseModel):
    """All that a run depends on; equal keys are the same run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str
    dataset: str
    model: str
    configuration: str
    seed: int
    epochs: int
    batch_size: int
    learning_rate: float
    test_batch_size: int
    train_examples: int | None
    test_examples: int | None
    image_size: int | None


class EpochRecord(BaseModel):
    """One epoch of training: the mean loss of its steps, the share right in them, and what it cost.

    `validation_accuracy` is taken after the epoch, outside its time and energy, where the preset asks for it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    loss: float
    training_accuracy: float
    validation_accuracy: float | None
    seconds: float
    joules: float


class Recorded(BaseModel):
    """A finished run of any kind under its key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: BaseModel


Record = TypeVar("Record", bound=Recorded)


class RunRecord(Recorded):
    """What a run measured.

    Precision, recall and F1 are means over the classes. `inference_s` is the median time of one test batch, divided by
    its examples; `time_ratio` and `energy_ratio` are to a dense network in the same rounds, as are the times
    `removed_ratio` (dead neurons taken out) and `csr_ratio` (compressed sparse rows), which are None where there was
    nothing to take out or no layer sparse enough. Energies say their source.
    """

    key: RunKey
    weights: int
    pruned_weights: int
    accuracy: float
    precision: float
    recall: float
    f1: float
    inference_s: float
    time_ratio: float
    inference_j: float
    energy_ratio: float
    removed_neurons: int
    removed_ratio: float | None
    csr_ratio: float | None
    training_examples: int
    validation_examples: int
    test_examples: int
    epochs: tuple[EpochRecord, ...]
    energy_source: str
    memory_bytes: int
    device: str

    @property
    def training_s(self) -> float:
        """Seconds of all epochs."""
        return sum(epoch.seconds for epoch in self.epochs)

    @property
    def training_j(self) -> float:
        """Joules of all epochs."""
        return sum(epoch.joules for epoch in self.epochs)

    @property
    def training_accuracy(self) -> float:
        """The highest of all epochs."""
        return max(epoch.training_accuracy for epoch in self.epochs)


class Ledger(Generic[Record]):
    """The finished runs of an output directory, all of one kind. One process writes at a time."""

    def __init__(self, path: Path, kind: type[Record]) -> None:
        self._path = path
        self._records = {record.key: record for record in _read(path, kind)}

    def get(self, key: BaseModel) -> Record | None:
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
        raise InputError("--output", text) from error
