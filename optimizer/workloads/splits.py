"""Splits: calibration, search and verification examples, disjoint, stratified, the same for every study of the data.

    train + validation + test   calibrate / search / verify
    train + test                search is cut from train, and kept out of any training of ours
    train + validation          validation in halves
    one split                   60 % search, 40 % verification, after calibration

A text found in two of them leaves train and calibration first, then search, verification never.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np

from optimizer.errors import InputError
from optimizer.workloads.data import Table

Indices = np.ndarray[Any, np.dtype[np.intp]]

SEARCH_FROM_TRAIN = 2000  # examples, at most a fifth of train
SEARCH_SHARE = 0.6  # of a lone split, after calibration
CALIBRATION_SHARE = 0.2  # of a lone split, at most


@dataclass(frozen=True)
class Splits:
    """The four disjoint roles. `train` is what is left for training; notes are for the user."""

    calibration: Table
    search: Table
    verification: Table
    train: Table
    notes: tuple[str, ...] = field(default=())


def cut(
    tables: Mapping[str, Table],
    *,
    calibration: int,
    search: int | None = None,
    verification: int | None = None,
) -> Splits:
    """Return the roles of the examples. Raises `InputError` where there are too few for the sizes asked for.

    `calibration` is an upper bound; `search` and `verification` are exact sizes, None takes what the rule gives.
    """
    notes: list[str] = []
    pool, wanted_search, held = _roles(tables, notes)
    held = _sized(held, verification, "--verification-examples")
    wanted_search, gone = _without(wanted_search, held)
    _note_removed(notes, "search", gone)
    wanted_search = _sized(wanted_search, search, "--search-examples")
    pool, gone = _without(pool, held, wanted_search)
    _note_removed(notes, "train", gone)
    for role, table in (("train", pool), ("search", wanted_search), ("verification", held)):
        if not len(table):
            raise InputError("--data", f"no {role} example is left after cutting the splits")
    chosen, rest = _divide(pool, min(calibration, len(pool)), "calibration")
    return Splits(chosen, wanted_search, held, rest, tuple(notes))


def table_hash(table: Table) -> str:
    """Return the SHA-256 of texts and labels in order."""
    digest = sha256()
    for texts, label in zip(table.texts, table.labels.tolist(), strict=True):
        digest.update(repr((texts, label)).encode())
    return digest.hexdigest()


def _roles(tables: Mapping[str, Table], notes: list[str]) -> tuple[Table, Table, Table]:
    """Return the pool for calibration and training, the search and the verification examples."""
    match sorted(tables):
        case ["test", "train", "validation"]:
            return tables["train"], tables["validation"], tables["test"]
        case ["test", "train"]:
            size = min(SEARCH_FROM_TRAIN, len(tables["train"]) // 5)
            search, pool = _divide(tables["train"], size, "search")
            notes.append("search examples were cut from train: a checkpoint trained on it has seen them")
            return pool, search, tables["test"]
        case ["train", "validation"]:
            search, held = _divide(tables["validation"], len(tables["validation"]) // 2, "halves")
            return tables["train"], search, held
        case ["test", "validation"]:
            pool, search = _divide(tables["validation"], int(len(tables["validation"]) * CALIBRATION_SHARE), "pool")
            return pool, search, tables["test"]
        case [only]:
            pool, rest = _divide(tables[only], int(len(tables[only]) * CALIBRATION_SHARE), "pool")
            search, held = _divide(rest, int(len(rest) * SEARCH_SHARE), "search")
            notes.append(f"all examples come from one split ({only}): a checkpoint trained on it has seen them")
            return pool, search, held
    raise InputError("--data", f"cannot make search and verification examples of splits {sorted(tables)}")


def _divide(table: Table, size: int, purpose: str) -> tuple[Table, Table]:
    """Return `size` examples, stratified by label, and the others; both in the table's order.

    The draw depends on the examples and the purpose alone, so that all studies of a data set share their splits.
    """
    rng = np.random.default_rng(int(sha256(f"{purpose}/{table_hash(table)}".encode()).hexdigest()[:16], 16))
    position = np.empty(len(table))
    strata = table.labels if table.names else np.zeros(len(table))
    for stratum in np.unique(strata):
        members = rng.permutation(np.flatnonzero(strata == stratum))
        position[members] = (np.arange(len(members)) + rng.random()) / len(members)
    order = np.argsort(position, kind="stable")
    return table.take(np.sort(order[:size])), table.take(np.sort(order[size:]))


def _sized(table: Table, size: int | None, option: str) -> Table:
    if size is None:
        return table
    if size > len(table):
        raise InputError(option, f"asks for {size} examples, but there are {len(table)}")
    return _divide(table, size, option)[0]


def _without(table: Table, *others: Table) -> tuple[Table, int]:
    """Return the examples whose text is in none of the others, and how many were removed."""
    taken = {_normal(texts) for other in others for texts in other.texts}
    keep = np.array([i for i, texts in enumerate(table.texts) if _normal(texts) not in taken], dtype=np.intp)
    return table.take(keep), len(table) - len(keep)


def _normal(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(" ".join(text.split()).casefold() for text in texts)


def _note_removed(notes: list[str], role: str, count: int) -> None:
    if count:
        notes.append(f"{count} {role} examples stand in the examples they must not know and were left out")
