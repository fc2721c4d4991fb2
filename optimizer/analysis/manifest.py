"""The table of a user, for models whose names say nothing: one row each, by the path of the model."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path

from optimizer.analysis.facts import Facts
from optimizer.analysis.inputs import Inputs, written_inputs
from optimizer.errors import InputError, listed

PATH, PARENT, INPUT, UNPRUNED, METRIC = "path", "parent", "input", "unpruned", "metric"
WORDS = ("architecture", "dataset", "method", "distribution")
COLUMNS = (PATH, PARENT, INPUT, UNPRUNED, *WORDS, "ratio")  # others hold metrics of the user, numbers
TRUE, FALSE = ("1", "true", "yes"), ("", "0", "false", "no")


class Row:
    """A row: a model's place, what is known of it, and the path of its unpruned model."""

    def __init__(self, place: Path, cells: Mapping[str, str], number: int, table: Path) -> None:
        self.place, self._number, self._table = place, number, table
        self.parent = (table.parent / cells[PARENT]).resolve() if cells.get(PARENT) else None
        self.inputs: Inputs | None = written_inputs(cells[INPUT].split(";")) if cells.get(INPUT) else None
        self.facts = Facts(
            **{word: cells.get(word) or "" for word in WORDS},
            ratio=self._number_of("ratio", cells["ratio"]) if cells.get("ratio") else None,
            is_unpruned=self._is_unpruned(cells.get(UNPRUNED) or ""),
        )
        others = {name: cell for name, cell in cells.items() if name not in COLUMNS and cell}
        self.metric = {name: self._number_of(name, cell) for name, cell in others.items()}

    def _number_of(self, name: str, cell: str) -> float:
        try:
            found = float(cell)
        except ValueError:
            found = math.nan
        if not math.isfinite(found):
            raise self._wrong(f"{name} must be a number, not {cell!r}")
        return found

    def _is_unpruned(self, cell: str) -> bool:
        if cell.lower() not in (*TRUE, *FALSE):
            raise self._wrong(f"{UNPRUNED} must be yes or no, not {cell!r}")
        return cell.lower() in TRUE

    def _wrong(self, why: str) -> InputError:
        return InputError("manifest", f"row {self._number} of {self._table.name}: {why}")


def read_manifest(table: Path) -> list[Row]:
    """Return the rows of a table. Raises `InputError` for one that cannot be read, or names a place that is not there.

    Paths are relative to the table. Columns that are not known hold metrics.
    """
    try:
        with table.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = [dict(row) for row in reader]
            names = list(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError("manifest", f"cannot read {table}: {error}") from error
    if PATH not in names or len(set(names)) < len(names):
        raise InputError(
            "manifest", f"{table.name} needs a column {PATH!r}, and each column once; it has {listed(names)}"
        )
    return [_row(row, number, table) for number, row in enumerate(rows, start=2)]


def _row(cells: Mapping[str | None, str | None], number: int, table: Path) -> Row:
    if None in cells or None in cells.values():
        raise InputError("manifest", f"row {number} of {table.name} has not as many cells as there are columns")
    known = {str(name): str(cell).strip() for name, cell in cells.items()}
    place = (table.parent / known[PATH]).resolve()
    if not known[PATH] or not place.exists():
        raise InputError("manifest", f"row {number} of {table.name}: {known[PATH]!r} does not exist")
    return Row(place, known, number, table)
