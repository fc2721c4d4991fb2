"""Upkeep: events that are too old to be asked for are deleted, now and then."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from starlette.concurrency import run_in_threadpool

from api.http.settings import Settings
from studies.events import EventLog
from studies.store import StoreError

EVERY_S = 3600.0
KEPT_ALWAYS = 1000  # so that a listener who was away on a quiet server misses nothing
log = logging.getLogger(__name__)


async def keep_tidy(events: EventLog, settings: Settings) -> None:
    """Delete old events every hour, for ever."""
    while True:
        too_old = datetime.now(UTC) - timedelta(seconds=settings.event_retention_s)
        try:
            gone = await run_in_threadpool(events.prune, older_than=too_old, keep_last=KEPT_ALWAYS)
            log.info("%d old events deleted", gone)
        except StoreError as error:
            log.warning("old events are not deleted: %s", error)
        await asyncio.sleep(EVERY_S)
