"""A reporter: tells the event log which stage a run is in and how far, for those who follow it from elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from optimizer.progress import Event
from studies.events import STAGE, EventLog
from studies.store import StoreError

EVERY_S = 1.0
log = logging.getLogger(__name__)


class Reporter:
    """A listener. A new stage and its end are told at once, what lies between once a second."""

    def __init__(self, events: EventLog, study_id: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._events, self._study_id, self._clock = events, study_id, clock
        self._told: str | None = None
        self._told_at = 0.0

    def __call__(self, event: Event) -> None:
        """Tell an event, if it is time. A database that is away is no reason to stop: the next event may reach it."""
        now = self._clock()
        if event.stage == self._told and event.done != event.total and now - self._told_at < EVERY_S:
            return
        self._told, self._told_at = event.stage, now
        data = {"stage": event.stage, "text": event.text, "done": event.done, "total": event.total}
        try:
            self._events.append(self._study_id, STAGE, data)
        except StoreError as error:
            log.warning("study %d: progress is not told: %s", self._study_id, error)
