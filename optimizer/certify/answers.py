"""Answers: written labels by the id of their row, turned to classes by place; from a file or from a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from optimizer.certify.ask import Row, rows_of
from optimizer.certify.sequence import Plan
from optimizer.errors import InputError
from optimizer.fronts.bought import UNKNOWN, labels_in_words
from studies.purchases import SKIPPED, Answer, Purchase
from studies.store import PurchaseError

Answers = dict[int, dict[int, Answer]]  # purchase -> place -> answer


class Given(NamedTuple):
    """A label as it was written for a row; `where` is the row's place for messages."""

    id: str
    written: str
    where: str


def answers_of(given: Iterable[Given], purchases: Sequence[Purchase]) -> Answers:
    """Return the labels by purchase and place.

    Raises `InputError` for an unknown or repeated row, for what is no label, and where no label is given at all;
    `PurchaseError` for a row that has another label already.
    """
    asked = {row.id: (purchase, row) for purchase in purchases for row in rows_of(purchase)}
    found: Answers = {}
    seen: set[str] = set()
    for each in given:
        if each.id in seen or each.id not in asked:
            why = "occurs twice" if each.id in seen else "was never asked"
            raise InputError("labels", f"{each.where}: {each.id!r:.40} {why}; keep each row as it was written, once")
        seen.add(each.id)
        purchase, row = asked[each.id]
        label = class_of(each.written, Plan.of(purchase).classes, each.where)
        if None not in (label, row.label) and label != row.label:
            raise PurchaseError(f"{each.where}: {each.id!r} has another label already, and a label is given once")
        answers = found.setdefault(purchase.number, {})
        answers[row.text.place] = _with(answers.get(row.text.place, Answer()), label, row)
    if all(part is None for part in chain.from_iterable(a for each in found.values() for a in each.values())):
        raise InputError("labels", "no label is given; fill some in")
    return found


def class_of(written: str, classes: Sequence[str], where: str) -> int | None:
    """Return the class that a label names, by name or in another case; None where there is none yet."""
    if written in ("", UNKNOWN):
        return SKIPPED if written else None
    for spelling in (str, str.casefold):
        names: Mapping[str, int] = {spelling(name): number for number, name in enumerate(classes)}
        if spelling(written) in names and len(names) == len(classes):
            return names[spelling(written)]
    raise InputError("labels", f"{where}: {written!r:.40} is no label; write {labels_in_words(classes)}")


def _with(answer: Answer, label: int | None, row: Row) -> Answer:
    return answer._replace(**{"again" if row.is_second else "label": label})
