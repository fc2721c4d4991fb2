"""Upkeep: old events and expired exports are deleted every hour."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from starlette.concurrency import run_in_threadpool

from api.http.kept import remove_expired
from api.http.settings import Settings
from studies.events import EventLog
from studies.jobs import JobQueue
from studies.store import StoreError

EVERY_S = 3600.0
KEPT_ALWAYS = 1000  # so that a listener who was away on a quiet server misses nothing
log = logging.getLogger(__name__)


async def keep_tidy(events: EventLog, jobs: JobQueue, settings: Settings) -> None:
    """Tidy every hour until cancelled."""
    while True:
        try:
            await run_in_threadpool(_tidy, events, jobs, settings)
        except (StoreError, OSError) as error:
            log.warning("old events and exports are not all deleted: %s", error)
        await asyncio.sleep(EVERY_S)


def _tidy(events: EventLog, jobs: JobQueue, settings: Settings) -> None:
    too_old = datetime.now(UTC) - timedelta(seconds=settings.event_retention_s)
    gone = events.prune(older_than=too_old, keep_last=KEPT_ALWAYS)
    exports = remove_expired(jobs, settings.artifacts, kept_s=settings.export_retention_s)
    log.info("%d old events and %d exports deleted", gone, exports)
