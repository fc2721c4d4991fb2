"""Progress: what a run tells its listener, and how its time is itemised."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from studies.records import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A step of a run: `done` of `total` parts of a stage; `candidate` is the one that just finished, if any."""

    stage: str
    done: int = 0
    total: int = 0
    text: str = ""
    candidate: Candidate | None = None


Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Listen to nothing."""


class Stages:
    """Times the stages of a run, tells the listener, and hands the seconds to `record` as each stage ends."""

    def __init__(
        self,
        listener: Listener,
        record: Callable[[dict[str, float]], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listener, self._record, self._clock = listener, record, clock

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[int, int], None]]:
        """Time a stage; yields a function that reports (done, total). Its time is recorded even if it fails."""
        self._listener(Event(stage=name))
        started = self._clock()
        try:
            yield lambda done, total: self._listener(Event(stage=name, done=done, total=total))
        finally:
            self._record({name: self._clock() - started})

    def tell(self, event: Event) -> None:
        """Pass an event on."""
        self._listener(event)
