"""Repeats: an example occurs in a role once, under the label that most of its copies have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Distinct:
    """`kept` `(m,)`: where each example first occurs, ascending; `labels` `(m, …)`: the label that most copies have.

    `repeats` copies were set aside, `outvoted` of the examples kept had copies of other labels as well, and `tied`
    copies were set aside with their example because no label has the most.
    """

    kept: NDArray[np.intp]
    labels: NDArray[Any]
    repeats: int
    outvoted: int
    tied: int

    def notes(self, role: str, what: str = "examples") -> tuple[str, ...]:
        """Return what was set aside, in words; nothing if every example occurred once."""
        counts = (
            (self.repeats, "repeats set aside"),
            (self.outvoted, "kept with the label that most of their copies have"),
            (self.tied, "set aside because as many of their copies have another label"),
        )
        return tuple(f"{role} {what}: {count} {fate}" for count, fate in counts if count)


def distinct(keys: Sequence[Hashable], labels: NDArray[Any]) -> Distinct:
    """Return each example once; two are the same where their `keys` are. `labels` are `(n, …)`."""
    places: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    kept, voted, outvoted, tied = [], [], 0, 0
    for copies in places.values():
        votes = Counter(map(_value, labels[copies])).most_common(2)
        if len(votes) == 2 and votes[0][1] == votes[1][1]:
            tied += len(copies)
            continue
        outvoted += len(votes) == 2
        kept.append(copies[0])
        voted.append(next(place for place in copies if _value(labels[place]) == votes[0][0]))
    return Distinct(
        kept=np.array(kept, dtype=np.intp),
        labels=labels[np.array(voted, dtype=np.intp)],
        repeats=len(keys) - tied - len(kept),
        outvoted=outvoted,
        tied=tied,
    )


def _value(label: NDArray[Any]) -> Hashable:
    """Return a label as a value that can be counted."""
    return tuple(label.ravel().tolist())
