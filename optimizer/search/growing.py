"""A front that grows: members come one by one, and who is dominated leaves."""

from __future__ import annotations

from bisect import bisect
from collections import deque
from collections.abc import Callable, Sequence
from operator import le
from typing import Generic, TypeVar

import numpy as np

M = TypeVar("M")
BEATERS = 4  # losses that beat others lately, which mostly beat the next one as well


class GrowingFront(Generic[M]):
    """The members that no other dominates, in the order of their `number`; of equal ones all.

    Dominance is transitive, so who has left comes never back, and the order in which members come does not matter.
    """

    def __init__(self, number: Callable[[M], int]) -> None:
        self._number = number
        self.members: Sequence[M] = ()
        self._losses = np.empty((0, 0))
        self._beaters: deque[tuple[float, ...]] = deque(maxlen=BEATERS)

    def add(self, member: M, losses: Sequence[float]) -> bool:
        """Add a member by its losses, lower is better, none NaN; return whether it is on the front."""
        ours = tuple(map(float, losses))
        if any(ours != theirs and all(map(le, theirs, ours)) for theirs in self._beaters):
            return False
        row = np.array(ours)
        if not self.members:
            self.members, self._losses = [member], row[None, :]
            return True
        beat = np.flatnonzero((self._losses <= row).all(axis=1) & (self._losses < row).any(axis=1))
        if len(beat):
            self._beaters.appendleft(tuple(self._losses[beat[0]].tolist()))
            return False
        stays = (self._losses < row).any(axis=1) | (self._losses == row).all(axis=1)
        members = [each for each, does in zip(self.members, stays, strict=True) if does]
        at = bisect(members, self._number(member), key=self._number)
        self._losses = np.insert(self._losses[stays], at, row, axis=0)
        self.members = [*members[:at], member, *members[at:]]
        return True
