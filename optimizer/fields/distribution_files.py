"""Files of distributions: TOML and JSON with the fields of a study, CSV with a row for each."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from optimizer.errors import InputError, listed

FIELD = "distributions"
FIXED = ("name", "ratio")  # the columns of a CSV file that are no layers
Rows = list[Any]  # Any: what a file says, to be checked as the study's field


def read_distributions(path: Path) -> Rows:
    """Return the distributions of a file as it has them, unchecked.

    TOML and JSON have a list called `distributions`, JSON also that list alone. CSV has columns `name` and `ratio`, and
    one for each layer, with the share that it loses. Raises `InputError` naming the file.
    """
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise InputError(FIELD, f"{path} is none of {listed(READERS)}; give a file of one of these kinds")
    try:
        return read(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(FIELD, f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError, csv.Error) as error:  # broken TOML, JSON or UTF-8, or what a reader below says
        raise InputError(FIELD, f"{path}: {error}") from error


def _of_toml(text: str) -> Rows:
    return _listed(tomllib.loads(text))


def _of_json(text: str) -> Rows:
    return _listed(json.loads(text, object_pairs_hook=_once))


def _of_csv(text: str) -> Rows:
    header, *lines = [line for line in csv.reader(io.StringIO(text), strict=True) if line] or [[]]
    names = [name.strip() for name in header]
    _once([(name, None) for name in names])
    if not {*FIXED} <= {*names} or len(names) == len(FIXED):
        raise ValueError("the first line must name the columns: name, ratio, and one for each layer")
    for place, line in enumerate(lines, start=2):
        if len(line) != len(names):
            raise ValueError(f"line {place} has {len(line)} values for {len(names)} columns")
    return [_row(dict(zip(names, line, strict=True))) for line in lines]


def _row(cells: Mapping[str, str]) -> dict[str, Any]:
    removed = {name: _number(name, cell) for name, cell in cells.items() if name not in FIXED and cell.strip()}
    return {"name": cells["name"].strip(), "ratio": _number("ratio", cells["ratio"]), "removed": removed}


def _number(name: str, cell: str) -> float:
    try:
        return float(cell)
    except ValueError as error:
        raise ValueError(f"{name} must be a number, not {cell!r:.80}") from error


def _listed(content: Any) -> Rows:
    if isinstance(content, dict):
        if [*content] != [FIELD]:
            raise ValueError(f"must have {FIELD!r} and nothing else, not {listed(content) or 'nothing'}")
        content = content[FIELD]
    if not isinstance(content, list) or not content:
        raise ValueError(f"{FIELD!r} must be a list of at least one")
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice!r} is there twice")
    return dict(pairs)


READERS: Mapping[str, Callable[[str], Rows]] = {".toml": _of_toml, ".json": _of_json, ".csv": _of_csv}
