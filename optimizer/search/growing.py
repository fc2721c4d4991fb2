"""A front that grows: members come one by one, and who is dominated leaves."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np

M = TypeVar("M")


class GrowingFront(Generic[M]):
    """The members that no other dominates, in the order of their `number`; of equal ones all.

    Dominance is transitive, so who has left comes never back, and the order in which members come does not matter.
    """

    def __init__(self, number: Callable[[M], int]) -> None:
        self._number = number
        self.members: Sequence[M] = ()
        self._losses = np.empty((0, 0))

    def add(self, member: M, losses: Sequence[float]) -> bool:
        """Add a member by its losses, lower is better, none NaN; return whether it is on the front."""
        row = np.array(losses, dtype=np.float64)
        if not self.members:
            self.members, self._losses = [member], row[None, :]
            return True
        if ((self._losses <= row).all(axis=1) & (self._losses < row).any(axis=1)).any():
            return False
        stays = (self._losses < row).any(axis=1) | (self._losses == row).all(axis=1)
        members = [each for each, does in zip(self.members, stays, strict=True) if does]
        at = bisect(members, self._number(member), key=self._number)
        self._losses = np.insert(self._losses[stays], at, row, axis=0)
        self.members = [*members[:at], member, *members[at:]]
        return True
