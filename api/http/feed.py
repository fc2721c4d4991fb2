"""The feed: one reader of the event log per server process, fanning out to everybody who listens."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from starlette.concurrency import run_in_threadpool

from studies.events import EventLog, StudyEvent
from studies.records import StudyState
from studies.store import StoreError

POLL_S = 0.5
AT_ONCE = 500
SILENCE_S = 20.0  # after which it is asked whether the study is still there: a deleted one says no more
FINAL = {StudyState.COMPLETE, StudyState.FAILED, StudyState.CANCELLED}
log = logging.getLogger(__name__)


def is_final(event: StudyEvent) -> bool:
    """Whether nothing follows the event unless somebody resumes the study."""
    return event.kind == "state" and event.data.get("state") in FINAL


class Feed:
    """Polls the log while anybody listens. Listeners hold a queue each and read at their own pace."""

    def __init__(self, events: EventLog, exists: Callable[[int], bool]) -> None:
        self._events, self._exists = events, exists
        self._listeners: dict[int, set[asyncio.Queue[StudyEvent]]] = defaultdict(set)
        self._poller: asyncio.Task[None] | None = None

    async def of(self, study_id: int, *, after: int, follow: bool) -> AsyncIterator[StudyEvent]:
        """Yield a study's events after a sequence: those that are stored, then, with `follow`, those that come."""
        queue: asyncio.Queue[StudyEvent] = asyncio.Queue()
        self._listeners[study_id].add(queue)
        self._ensure_polling()
        try:
            ended = False
            while stored := await run_in_threadpool(self._events.after, after, limit=AT_ONCE, study_id=study_id):
                for event in stored:
                    after, ended = event.sequence, is_final(event)
                    yield event
            while follow and not ended:
                try:
                    event = await asyncio.wait_for(queue.get(), SILENCE_S)
                except TimeoutError:
                    ended = not await run_in_threadpool(self._exists, study_id)
                    continue
                if event.sequence > after:
                    after, ended = event.sequence, is_final(event)
                    yield event
        finally:
            self._listeners[study_id].discard(queue)
            if not self._listeners[study_id]:
                del self._listeners[study_id]

    async def close(self) -> None:
        """Stop polling."""
        if self._poller is not None:
            self._poller.cancel()
            with suppress(asyncio.CancelledError):
                await self._poller

    def _ensure_polling(self) -> None:
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())

    async def _poll(self) -> None:
        last = await run_in_threadpool(self._events.latest)
        while self._listeners:
            try:
                found = await run_in_threadpool(self._events.after, last, limit=AT_ONCE)
            except StoreError as error:  # the database is away; listeners wait for its return
                log.warning("events: %s", error)
                found = []
            for event in found:
                last = event.sequence
                for queue in self._listeners.get(event.study_id, ()):
                    queue.put_nowait(event)
            if len(found) < AT_ONCE:
                await asyncio.sleep(POLL_S)
