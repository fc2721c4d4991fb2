"""A reporter: writes a run's stage and progress to the event log, for those who follow it from elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from optimizer.progress import TITLES, Event
from studies.events import STAGE, EventLog
from studies.store import StoreError, StudyLostError

EVERY_S = 1.0
NO_NEWS_S = 30.0
log = logging.getLogger(__name__)


class Reporter:
    """A listener. The start and end of a stage are written at once, events between them once a second, and
    what is no news twice a minute.

    Each carries the seconds that the stage has taken, and those that remain at its pace so far.
    """

    def __init__(self, events: EventLog, study_id: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._events, self._study_id, self._clock = events, study_id, clock
        self._pace: Pace | None = None
        self._told, self._told_at = Event(stage=""), 0.0

    def __call__(self, event: Event) -> None:
        """Write an event, if it is time. The run continues while the database is away: the next event may reach it.

        Raises `StudyLostError` if the study now belongs to another worker.
        """
        now = self._clock()
        if self._pace is None or event.stage != self._pace.stage:
            self._pace = Pace(event.stage, began=now, since=now, done=event.done, total=event.total)
        elif event.total != self._pace.total:
            self._pace = replace(self._pace, since=now, done=event.done, total=event.total)
        elif now - self._told_at < self._pause(event):
            return
        self._told, self._told_at = event, now
        data = {
            "stage": event.stage,
            "title": TITLES.get(event.stage),
            "text": event.text,
            "done": event.done,
            "total": event.total,
            "elapsed_s": round(now - self._pace.began, 1),
            "left_s": self._pace.left(now, event),
        }
        try:
            self._events.append(self._study_id, STAGE, data)
        except StudyLostError:
            raise
        except StoreError as error:
            log.warning("study %d: progress is not told: %s", self._study_id, error)

    def _pause(self, event: Event) -> float:
        """Return the seconds that have to pass since the last event of this stage before this one is written."""
        if event == self._told:
            return NO_NEWS_S
        return 0.0 if event.done == event.total else EVERY_S


@dataclass(frozen=True, slots=True)
class Pace:
    """When a stage began, and when its amount of work was last set: earlier work does not count for its pace."""

    stage: str
    began: float
    since: float
    done: int
    total: int

    def left(self, now: float, event: Event) -> float | None:
        """Return the seconds that remain, None before anything is done."""
        done = event.done - self.done
        return round((now - self.since) / done * (event.total - event.done), 1) if done > 0 else None
