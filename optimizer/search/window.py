"""The window: what a sampler is told of, all candidates while they are few, of many the front and the latest."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence

from optimizer.samplers.protocol import Told
from optimizer.search.growing import GrowingFront

LATEST = 1000  # candidates; an ask of TPE takes as long as all that it was told of are many


class Window:
    """What was told so far, in the order of the candidates' numbers.

    Of more than `LATEST`, these are the feasible ones that no other dominates and the `LATEST` of the highest numbers:
    a pure function of what was told, in any order.
    """

    def __init__(self) -> None:
        self._all: list[Told] = []
        self._front = GrowingFront[Told](_number)
        self._latest: Sequence[Told] | None = None

    def add(self, told: Told) -> None:
        """Take note of a candidate."""
        if self._all and told.number < self._all[-1].number:
            insort(self._all, told, key=_number)
        else:
            self._all.append(told)
        if told.is_feasible:
            self._front.add(told, told.losses)
        self._latest = None

    @property
    def latest(self) -> Sequence[Told]:
        """What a sampler is told of."""
        if self._latest is None:
            latest = self._all[-LATEST:]
            before = latest[0].number if latest else 0
            self._latest = [*(told for told in self._front.members if told.number < before), *latest]
        return self._latest

    @property
    def forgotten(self) -> int:
        """How many candidates a sampler is not told of."""
        return len(self._all) - len(self.latest)


def _number(told: Told) -> int:
    return told.number
