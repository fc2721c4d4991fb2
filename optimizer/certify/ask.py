"""Ask: which labels are bought next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.certify.sequence import Plan, disputed_by, waiting_members
from studies.purchases import Disputed, Purchase
from studies.store import StudyStore


@dataclass(frozen=True, slots=True)
class Row:
    """A label to give. `id` is how a file and a page name it; a text that is asked twice has two rows."""

    id: str
    text: Disputed
    is_second: bool

    @property
    def label(self) -> int | None:
        """The label that was given."""
        return self.text.answer.again if self.is_second else self.text.answer.label


def ask_next(store: StudyStore, purchases: Sequence[Purchase], size: int) -> None:
    """Ask the next `size` texts of the member whose turn it is, filled up with those of the members behind it.

    Nothing is asked for members behind one that has no texts left: they could not be certified any more.
    """
    waiting = waiting_members(purchases)
    purchase = next((each for each in purchases if waiting and _unasked(waiting[0], each)), None)
    if purchase is not None:
        wanted = dict.fromkeys(text.place for member in waiting for text in _unasked(member, purchase))
        batch = 1 + max(text.batch or 0 for text in purchase.texts)
        store.ask_labels(purchase.study_id, purchase.number, list(wanted)[:size], batch=batch)


def rows_of(purchase: Purchase) -> Iterator[Row]:
    """Yield the rows that were asked, batch by batch: every text once, then those asked twice in mixed order."""
    for batch in range(1, 1 + max((text.batch or 0 for text in purchase.texts), default=0)):
        texts = [text for text in purchase.texts if text.batch == batch]
        twice = [text for text in texts if text.is_checked]
        order = np.random.default_rng([Plan.of(purchase).seed, batch]).permutation(len(twice))
        rows = [*((text, False) for text in texts), *((twice[index], True) for index in order)]
        for number, (text, is_second) in enumerate(rows, start=1):
            yield Row(f"{purchase.number}-{batch}-{number}", text, is_second)


def open_rows(purchases: Sequence[Purchase]) -> list[Row]:
    """Return the rows that were asked and have no label yet."""
    return [row for purchase in purchases for row in rows_of(purchase) if row.label is None]


def _unasked(member: int, purchase: Purchase) -> list[Disputed]:
    return [text for text in disputed_by(member, [purchase]) if text.batch is None]
