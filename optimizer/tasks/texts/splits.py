"""Splits: calibration, search and verification examples, disjoint, stratified, the same for every study of the data.

    train + validation + test   calibrate / search / verify
    train + test                search is cut from train, and kept out of any training here
    train + validation          validation in halves
    one split                   60 % search, 40 % verification, after calibration

Verification data join the test split, or are it; of a train that a head is to learn from, examples may join them.

Calibration examples are as long as the search examples where there are enough to choose from.
A text found in two of them leaves train and calibration first, then search, never verification. A text found twice in
one of them is kept once, with the label that most of its copies have; case and spacing are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import numpy as np

from optimizer.errors import InputError
from optimizer.tasks.texts.repeats import distinct
from optimizer.tasks.texts.table import Table, table_hash

IntArray = np.ndarray[Any, np.dtype[np.int64]]
HoldOut = Callable[[Table, int], tuple[Table, Table] | None]  # train, how many -> those, what is left of train

SEARCH_FROM_TRAIN = 2000  # examples, at most a fifth of train
MORE = "verification"  # the table of examples that only verify
HELD_OUT = 5000  # verification examples of a head trained here, where train has as many
SEARCH_SHARE = 0.6  # of a lone split, after calibration
CALIBRATION_SHARE = 0.2  # of a lone split, at most


@dataclass(frozen=True)
class Splits:
    """The four disjoint roles. `train` is what remains for training; notes are for the user."""

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
    hold_out: HoldOut | None = None,
    notes: Sequence[str] = (),
) -> Splits:
    """Return the roles of the examples. Raises `InputError` where there are too few for the sizes asked for.

    `calibration` is an upper bound of a model's inputs; `search` and `verification` are exact sizes, None takes what
    the rule gives. `hold_out` takes examples from a train that a head is to learn from. `notes` are those of the data,
    kept before those of the cut.
    """
    notes = list(notes)
    tables = _with_more(_without_repeats(tables, notes), notes)
    pool, wanted_search, held = _roles(tables, notes)
    if hold_out is not None and verification is None and len(held) < HELD_OUT:
        found = hold_out(_without(pool, held)[0], HELD_OUT - len(held))
        if found is not None:
            pool, held = _with_held_out(pool, held, *found, notes)
        elif tables.keys() == {"train", "validation"} and len(pool) >= HELD_OUT:
            pool, wanted_search, held = _searched_in_train(tables, notes)
    held = _sized(held, verification, "verification_examples")
    wanted_search, gone = _without(wanted_search, held)
    _note_removed(notes, "search", gone)
    wanted_search = _sized(wanted_search, search, "search_examples")
    pool, gone = _without(pool, held, wanted_search)
    _note_removed(notes, "train", gone)
    for role, table in (("train", pool), ("search", wanted_search), ("verification", held)):
        if not len(table):
            why = f": {'; '.join(notes)}" if notes else ""
            raise InputError("data", f"no {role} example is left after cutting the splits{why}; give more examples")
    chosen, rest = _each_once(*_alike(pool, wanted_search, _calibrating(pool, calibration)), notes)
    return Splits(chosen, wanted_search, held, rest, tuple(notes))


def _calibrating(pool: Table, inputs: int) -> int:
    """Return how many examples have about so many inputs to a model."""
    return min(len(pool), max(1, inputs * len(pool) // pool.inputs))


def _roles(tables: Mapping[str, Table], notes: list[str]) -> tuple[Table, Table, Table]:
    """Return the pool for calibration and training, the search and the verification examples."""
    match sorted(tables):
        case ["test", "train", "validation"]:
            return tables["train"], tables["validation"], tables["test"]
        case ["test", "train"]:
            size = min(SEARCH_FROM_TRAIN, len(tables["train"]) // 5)
            search, pool = _apart(tables["train"], size, "search")
            notes.append("search examples were cut from train: a checkpoint trained on it has seen them")
            return pool, search, tables["test"]
        case ["train", "validation"]:
            search, held = _apart(tables["validation"], len(tables["validation"]) // 2, "halves")
            return tables["train"], search, held
        case ["test", "validation"]:
            pool, search = _apart(tables["validation"], int(len(tables["validation"]) * CALIBRATION_SHARE), "pool")
            return pool, search, tables["test"]
        case [only]:
            pool, rest = _apart(tables[only], int(len(tables[only]) * CALIBRATION_SHARE), "pool")
            search, held = _apart(rest, int(len(rest) * SEARCH_SHARE), "search")
            notes.append(f"all examples come from one split ({only}): a checkpoint trained on it has seen them")
            return pool, search, held
    raise InputError("data", f"cannot make search and verification examples of splits {sorted(tables)}")


def _with_more(tables: dict[str, Table], notes: list[str]) -> dict[str, Table]:
    """Return the tables with the verification data in the test split, without texts that the others have."""
    if MORE not in tables:
        return tables
    if not len(tables[MORE]):
        why = "; ".join(note for note in notes if note.startswith(MORE))
        raise InputError("verification_data", f"has no usable example: {why}; give others")
    others = {split: table for split, table in tables.items() if split != MORE}
    more, gone = _without(tables[MORE], *others.values())
    if gone:
        notes.append(f"verification data: {gone} set aside because their text is among the other examples")
    if not len(more):
        raise InputError("verification_data", "has no text that the other examples lack; give others")
    if "test" not in others:
        return {**others, "test": more}
    if len(others) == 1:
        return {"validation": others["test"], "test": more}
    return {**others, "test": _joined(others["test"], more)}


def _with_held_out(pool: Table, held: Table, more: Table, rest: Table, notes: list[str]) -> tuple[Table, Table]:
    """Return what is left to learn from, and the verification examples with `more` of them."""
    notes.append(
        f"{len(more)} train examples verify instead; {len(pool) - len(rest) - len(more)} that are contained in one, or "
        "that others verify already, are set aside with them"
    )
    return rest, _joined(held, more)


def _searched_in_train(tables: Mapping[str, Table], notes: list[str]) -> tuple[Table, Table, Table]:
    """Return the roles of a train that cannot be cut by source: a part is searched on, all of validation verifies."""
    search, pool = _apart(tables["train"], min(SEARCH_FROM_TRAIN, len(tables["train"]) // 5), "search")
    notes.append(f"{len(search)} train examples are searched on instead, so that all of validation verifies")
    return pool, search, tables["validation"]


def _joined(one: Table, other: Table) -> Table:
    return replace(one, texts=one.texts + other.texts, labels=np.concatenate([one.labels, other.labels]))


def _without_repeats(tables: Mapping[str, Table], notes: list[str]) -> dict[str, Table]:
    """Return the tables that are searched and verified on with each text once; train, where it is none, as it is.

    Calibration examples are drawn from all of train, so that they stay those of earlier studies of the same data.
    """
    is_pool = {"train", "validation"} <= tables.keys()
    return {
        split: table if split == "train" and is_pool else _once(table, split, notes)[0]
        for split, table in tables.items()
    }


def _each_once(chosen: Table, rest: Table, notes: list[str]) -> tuple[Table, Table]:
    """Return both with each text in one of them once, in `chosen` if it was there."""
    once, places = _once(_joined(chosen, rest), "train", notes)
    size = int(np.searchsorted(places, len(chosen)))
    return once.take(np.arange(size)), once.take(np.arange(size, len(once)))


def _once(table: Table, split: str, notes: list[str]) -> tuple[Table, IntArray]:
    """Return the examples with each text once, and their places in `table`, ascending."""
    found = distinct([normal(texts) for texts in table.subjects], table.labels)
    notes.extend(found.notes(split))
    return replace(table.take(found.kept), labels=found.labels), found.kept


def _apart(table: Table, size: int, purpose: str) -> tuple[Table, Table]:
    """Return about `size` examples and the others, as `divide` does; those that share a text are in the same part."""
    if table.shared is None:
        return divide(table, size, purpose)
    places: dict[str, int] = {}
    group = np.array([places.setdefault(texts[table.shared], len(places)) for texts in table.texts])
    counts = np.bincount(group)
    order = _rng(purpose, table).permutation(len(counts))
    is_first = np.isin(group, order[np.cumsum(counts[order]) - counts[order] / 2 <= size])
    return table.take(np.flatnonzero(is_first)), table.take(np.flatnonzero(~is_first))


def _rng(purpose: str, table: Table) -> np.random.Generator:
    return np.random.default_rng(int(sha256(f"{purpose}/{table_hash(table)}".encode()).hexdigest()[:16], 16))


def divide(table: Table, size: int, purpose: str) -> tuple[Table, Table]:
    """Return `size` examples, stratified by label, and the others; both in the table's order.

    The draw depends on the examples and the purpose alone, so that all studies of a data set share their splits.
    """
    rng = _rng(purpose, table)
    position = np.empty(len(table))
    strata = _strata(table)
    for stratum in np.unique(strata):
        members = rng.permutation(np.flatnonzero(strata == stratum))
        position[members] = (np.arange(len(members)) + rng.random()) / len(members)
    order = np.argsort(position, kind="stable")
    return table.take(np.sort(order[:size])), table.take(np.sort(order[size:]))


def _alike(pool: Table, model: Table, size: int) -> tuple[Table, Table]:
    """Return `size` examples of `pool`, stratified by label, whose texts are as long as those of `model`; the others.

    GLUE's SST-2 is trained on phrases and tested on sentences of twice their length; what a layer sees depends on it.
    For every quantile of the lengths in `model` the nearest length that is left is taken, at random among equals.
    """
    rng = _rng("calibration", pool)
    lengths, wanted = _lengths(pool), _lengths(model)
    by_length = np.lexsort((rng.random(len(pool)), lengths))
    strata = [by_length[_strata(pool)[by_length] == stratum] for stratum in np.unique(_strata(pool))]
    sizes = np.diff(np.round(np.cumsum([0, *map(len, strata)]) / len(pool) * size).astype(int))
    chosen = np.concatenate([s[_nearest(lengths[s], wanted, n)] for s, n in zip(strata, sizes, strict=True)])
    return pool.take(np.sort(chosen)), pool.take(np.setdiff1d(np.arange(len(pool)), chosen))


def _nearest(ascending: IntArray, wanted: IntArray, size: int) -> IntArray:
    """Return `size` different places in `ascending` whose values are close to the quantiles of `wanted`."""
    steps = np.arange(size)
    places = np.searchsorted(ascending, np.quantile(wanted, (steps + 0.5) / size))
    places = np.maximum.accumulate(places - steps) + steps  # each place once
    return np.minimum(places, len(ascending) - size + steps)


def _strata(table: Table) -> IntArray:
    """Return the stratum of each example: its class, or one for all where that is not what a label is: `(n,)`."""
    return table.labels if table.names and table.labels.ndim == 1 else np.zeros(len(table), dtype=np.int64)


def _lengths(table: Table) -> IntArray:
    """Return the characters of each example: `(n,)`."""
    return np.array([sum(map(len, texts)) for texts in table.texts], dtype=np.int64)


def _sized(table: Table, size: int | None, option: str) -> Table:
    if size is None:
        return table
    if size > len(table):
        raise InputError(option, f"asks for {size} examples, but there are {len(table)}")
    return divide(table, size, option)[0]


def _without(table: Table, *others: Table) -> tuple[Table, int]:
    """Return the examples whose text is in none of the others, and how many were removed."""
    taken = {normal(texts) for other in others for texts in other.subjects}
    keep = np.array([i for i, texts in enumerate(table.subjects) if normal(texts) not in taken], dtype=np.intp)
    return table.take(keep), len(table) - len(keep)


def normal(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return texts as they are compared: without regard to case and spacing."""
    return tuple(" ".join(text.split()).casefold() for text in texts)


def _note_removed(notes: list[str], role: str, count: int) -> None:
    if count:
        others = "verification" if role == "search" else "search or verification"
        notes.append(f"{role} examples: {count} set aside because their text is among the {others} examples")
