"""Progress: the events of a run and its time per stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from studies.records import Candidate

STUDY = "study"  # the stage whose text is a new study's name, once it is stored
TITLES: Mapping[str, str] = {  # titles of the stages, in their order; an event of another stage is a remark
    "load": "loading model and data",
    "baseline": "dense model on the search examples",
    "bank": "ranking units",
    "sensitivity": "sensitivity of every group",
    "tables": "latency of isolated blocks",
    "combinations": "harm of combinations",
    "search": "searching",
    "recover": "recovering the shortlist",
    "verify": "verifying the shortlist",
    "measure": "measuring latency, energy, memory",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A step of a run: `done` of `total` parts of a stage; `candidate` has just finished, if given."""

    stage: str
    done: int = 0
    total: int = 0
    text: str = ""
    candidate: Candidate | None = None


class CancelledError(Exception):
    """Raised by a listener: the run was cancelled. Everything stored is kept."""


class AbandonedError(Exception):
    """Raised by a listener: another process runs the study now. Nothing more is stored."""


Listener = Callable[[Event], None]
Report = Callable[[int, int], None]  # of a stage: parts done, all parts
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def ignore(event: Event) -> None:
    """Ignore the event."""


@dataclass(frozen=True)
class Reporter:
    """A `Report` of one of the `stages`; in another process nobody hears it."""

    stages: Stages
    stage: str

    def __call__(self, done: int, total: int) -> None:
        """Tell how far the stage is."""
        self.stages.tell(Event(stage=self.stage, done=done, total=total))


class Stages:
    """Times the stages of a run and the parts inside them, and notifies the listener.

    Every second is counted once, for the innermost open part: the seconds of a stage exclude those of its parts, so
    all seconds sum to the time of the run. They are passed to `record` when the outermost stage ends, even if it fails.
    In another process they are timed as well, and nobody is notified.
    """

    def __init__(
        self,
        listener: Listener,
        record: Callable[[dict[str, float]], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listener, self._record, self._clock = listener, record, clock
        self._open: list[str] = []
        self._since = 0.0
        self._seconds: dict[str, float] = {}

    def __reduce__(self) -> tuple[type[Stages], tuple[object, ...]]:
        return Stages, (ignore, dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[Report]:
        """Announce and time a stage; yields a function that reports (done, total)."""
        self._listener(Event(stage=name))
        with self.part(name):
            yield Reporter(self, name)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time a part of the current stage."""
        self._count()
        self._open.append(name)
        try:
            yield
        finally:
            self._count()
            self._open.pop()
            if not self._open:
                seconds, self._seconds = self._seconds, {}
                self._record(seconds)

    def timed(self, name: str, function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        """Return the function with its calls timed as a part."""

        def call(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
            with self.part(name):
                return function(*arguments, **named)

        return call

    def _count(self) -> None:
        now = self._clock()
        if self._open:
            self._seconds[self._open[-1]] = self._seconds.get(self._open[-1], 0.0) + now - self._since
        self._since = now

    def tell(self, event: Event) -> None:
        """Pass an event on."""
        self._listener(event)
