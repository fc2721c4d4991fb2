"""Data: labelled splits from a directory, the hub or the built-in generator, as plain tables of texts and labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from optimizer.errors import InputError
from optimizer.spec import StudySpec
from optimizer.workloads import hub
from optimizer.workloads.tasks import BUILT_IN, GLUE, Task

READERS: Mapping[str, Callable[[Path], pd.DataFrame]] = {
    ".parquet": pd.read_parquet,
    ".csv": pd.read_csv,
    ".tsv": lambda path: pd.read_csv(path, sep="\t"),
    ".jsonl": lambda path: pd.read_json(path, lines=True),
}
SPLIT_NAMES = {"train": "train", "validation": "validation", "valid": "validation", "dev": "validation", "test": "test"}
TEXT_GUESSES, LABEL_GUESSES = ("sentence", "text"), ("label", "labels")
UNLABELLED = -1


@dataclass(frozen=True)
class Table:
    """One split. `texts`: per example one or two strings. `labels`: `(n,)` label ids, or floats for regression.

    `names` are label names by id; empty for regression.
    """

    texts: tuple[tuple[str, ...], ...]
    labels: np.ndarray[Any, np.dtype[Any]]
    names: tuple[str, ...]

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.texts)

    def take(self, indices: np.ndarray[Any, np.dtype[np.intp]]) -> Table:
        """Return the examples at `indices`, in that order."""
        return replace(self, texts=tuple(self.texts[i] for i in indices), labels=self.labels[indices])


def check_data(spec: StudySpec, task: Task) -> None:
    """Raise `InputError` for a data directory without splits; nothing is read, no hub is called."""
    if spec.data is not None and (Path(spec.data).exists() or spec.data.count("/") != 1):
        _split_files(Path(spec.data))
    if spec.data is None and task.name == BUILT_IN and spec.label_column not in (None, "label"):
        raise InputError("--label-column", f"the built-in task has column 'label', not {spec.label_column!r}")


def read_splits(spec: StudySpec, task: Task) -> dict[str, Table]:
    """Return the labelled splits by name: "train", "validation" and "test", those that there are.

    Raises `InputError` for missing columns, unreadable files, empty splits and labels that are missing here and there.
    """
    frames = _frames(spec, task)
    task = with_columns(task, next(iter(frames.values())))
    names = _label_names(task, frames)
    tables = {split: _table(frame, split, task, names) for split, frame in frames.items()}
    labelled = {split: table for split, table in tables.items() if table is not None}
    if not labelled:
        raise InputError("--data", "no split is labelled; a study needs at least one that is")
    return labelled


def with_columns(task: Task, frame: pd.DataFrame) -> Task:
    """Return the task with its columns found in the data. Raises `InputError` listing the columns there are."""
    texts = task.text_columns or tuple(name for name in TEXT_GUESSES if name in frame.columns)[:1]
    label = task.label_column or next((name for name in LABEL_GUESSES if name in frame.columns), None)
    there = ", ".join(map(repr, frame.columns))
    missing = [name for name in texts if name not in frame.columns]
    if not texts or missing:
        what = f"no column {missing[0]!r}" if missing else "the text column cannot be guessed"
        raise InputError("--text-columns", f"{what}; the data have {there}")
    if label is None or label not in frame.columns:
        what = f"no column {label!r}" if label else "the label column cannot be guessed"
        raise InputError("--label-column", f"{what}; the data have {there}")
    return replace(task, text_columns=texts, label_column=label)


def _frames(spec: StudySpec, task: Task) -> dict[str, pd.DataFrame]:
    if spec.data is not None and (Path(spec.data).exists() or spec.data.count("/") != 1):
        return {split: _read(path) for split, path in _split_files(Path(spec.data)).items()}
    if spec.data is None and task.name == BUILT_IN:
        from optimizer.workloads.phrases import phrases_tables

        return phrases_tables()
    return _from_hub(spec.data or GLUE, None if spec.data else task.subset, task)


def _from_hub(repository: str, subset: str | None, task: Task) -> dict[str, pd.DataFrame]:
    from datasets import load_dataset

    found = hub.call_hub("--data", repository, lambda: load_dataset(repository, subset))
    wanted = {"train": "train", task.validation: "validation", "test": "test"}
    frames: dict[str, pd.DataFrame] = {wanted[n]: found[n].to_pandas() for n in found if n in wanted}
    return frames


def _split_files(directory: Path) -> dict[str, Path]:
    """Return the file of each split: named after it, or alone in a folder that is."""
    if not directory.is_dir():
        raise InputError("--data", f"there is no directory {directory}; a hub id looks like owner/name")
    found: dict[str, Path] = {}
    for path in sorted(p for p in (*directory.iterdir(), *directory.glob("*/*")) if p.suffix in READERS):
        split = SPLIT_NAMES.get(path.stem.lower()) or SPLIT_NAMES.get(path.parent.name.lower())
        if split and split in found:
            raise InputError("--data", f"two files for split {split!r}: {found[split]} and {path}; leave one")
        if split:
            found[split] = path
    if not found:
        kinds = ", ".join(READERS)
        raise InputError("--data", f"{directory} holds no split; name files train, validation or test ({kinds})")
    return found


def _read(path: Path) -> pd.DataFrame:
    try:
        return READERS[path.suffix](path)
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise InputError("--data", f"{path} cannot be read: {error}") from error


def _label_names(task: Task, frames: Mapping[str, pd.DataFrame]) -> tuple[str, ...]:
    if task.is_regression:
        return ()
    values = pd.concat([frame[task.label_column] for frame in frames.values()]).dropna()
    if pd.api.types.is_numeric_dtype(values):
        classes = sorted({int(value) for value in values} - {UNLABELLED})
        return task.labels or tuple(str(index) for index in range(max(classes, default=1) + 1))
    known = sorted({str(value) for value in values})
    if task.labels and not set(known) <= set(task.labels):
        raise InputError("--label-column", f"labels {known} are not those of {task.name}: {list(task.labels)}")
    return task.labels or tuple(known)


def _table(frame: pd.DataFrame, split: str, task: Task, names: Sequence[str]) -> Table | None:
    """Return a split's table, None where it is wholly unlabelled."""
    column = frame[task.label_column]
    if not len(frame):
        raise InputError("--data", f"split {split!r} is empty")
    missing = column.isna() | ((column == UNLABELLED) if not task.is_regression else False)
    if missing.all():
        return None
    if missing.any():
        raise InputError("--data", f"split {split!r} has no label in row {int(np.flatnonzero(missing)[0])}")
    texts = tuple(tuple(str(text) for text in row) for row in frame[list(task.text_columns or ())].to_numpy())
    return Table(texts, _labels(column, split, task, names), tuple(names))


def _labels(column: pd.Series[Any], split: str, task: Task, names: Sequence[str]) -> np.ndarray[Any, np.dtype[Any]]:
    if task.is_regression:
        try:
            return column.to_numpy(dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError("--label-column", f"split {split!r}: a regression needs numbers: {error}") from error
    if pd.api.types.is_numeric_dtype(column):
        labels = column.to_numpy()
        unknown = sorted({value for value in labels if value != int(value) or not 0 <= value < len(names)})
        if unknown:
            raise InputError(
                "--label-column", f"split {split!r} has label {unknown[0]}; known are 0 to {len(names) - 1}"
            )
        return labels.astype(np.int64)
    return column.astype(str).map({name: index for index, name in enumerate(names)}).to_numpy(dtype=np.int64)
