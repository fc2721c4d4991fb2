"""The history of a training: what each of its epochs spent, as it is kept with what was trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Any

from objectives.energy.spent import NONE, Joules, Spent


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What was spent on so many examples of an epoch, which are counted from 1; a training may end within one."""

    epoch: int
    examples: int
    spent: Spent


History = tuple[Learnt, ...]  # by epoch, ascending


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseTraining:
    """The training that made a dense model; not `is_new`, an earlier run kept it in the cache."""

    history: History
    is_new: bool


def joined(*histories: History) -> History:
    """Return several trainings as one: what they did of an epoch stands together."""
    rows = sorted((row for history in histories for row in history), key=lambda row: row.epoch)
    return tuple(_together(row for row in rows if row.epoch == epoch) for epoch in dict.fromkeys(r.epoch for r in rows))


def of_epochs(spent: Sequence[Spent], examples: int) -> History:
    """Return the history of whole epochs of so many examples."""
    return tuple(Learnt(epoch=n, examples=examples, spent=each) for n, each in enumerate(spent, start=1))


def total(history: History) -> Spent:
    """Return what all of it spent."""
    return reduce(Spent.plus, (row.spent for row in history), NONE)


def stored(history: History) -> list[dict[str, Any]]:  # Any: JSON data
    """Return it as JSON data."""
    return [asdict(row) for row in history]


def read(kept: Sequence[Mapping[str, Any]] | Mapping[str, Any]) -> History:  # Any: JSON data
    """Return a history as `stored` gave it; of what an older version kept, examples and seconds, nothing else."""
    if isinstance(kept, Mapping):
        seconds = Spent(**{**asdict(NONE), "seconds": kept["seconds"]})
        return (Learnt(epoch=1, examples=kept["examples"], spent=seconds),) if kept["examples"] else ()
    return tuple(Learnt(**{**row, "spent": read_spent(row["spent"])}) for row in kept)


def read_spent(kept: Mapping[str, Any]) -> Spent:  # Any: JSON data
    """Return what was spent, as `asdict` gave it."""
    return Spent(**{**kept, "parts": {name: Joules(**each) for name, each in kept["parts"].items()}})


def _together(rows: Iterable[Learnt]) -> Learnt:
    first, *others = rows
    return Learnt(
        epoch=first.epoch,
        examples=first.examples + sum(row.examples for row in others),
        spent=reduce(Spent.plus, (row.spent for row in others), first.spent),
    )
