"""The feed: one reader of the event log per server process, fanning out to everybody who listens.

No event is lost or repeated: a listener is enrolled and the poller has found its place in the log before the
listener reads what is stored; events that both deliver are recognised by their number.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress

from starlette.concurrency import run_in_threadpool

from studies.events import EventLog, StudyEvent
from studies.records import StudyState
from studies.store import StoreError

POLL_S = 0.5
AT_ONCE = 1000
MOST_WAITING = 100  # parts that wait for a listener; one who is slower reads the log again
SILENCE_S = 15.0  # after which a listener is told that nothing happened, and it is asked whether the study is there
FINAL = {StudyState.COMPLETE, StudyState.FAILED, StudyState.CANCELLED}
Part = Sequence[StudyEvent]
log = logging.getLogger(__name__)


def is_final(event: StudyEvent) -> bool:
    """Whether the event is the study's last, unless the study is resumed."""
    return event.kind == "state" and event.data.get("state") in FINAL


class Listener:
    """The queue of one client that follows a study. A listener that falls behind reads the log, not memory."""

    def __init__(self) -> None:
        self._parts: asyncio.Queue[Part] = asyncio.Queue(MOST_WAITING)
        self.is_behind = True  # what is stored already is unread

    def tell(self, part: Part) -> None:
        """Add what happened."""
        try:
            self._parts.put_nowait(part)
        except asyncio.QueueFull:
            self.is_behind = True

    async def next(self) -> Part:
        """Return what happened next. Raises `TimeoutError` if nothing happens for a while."""
        return await asyncio.wait_for(self._parts.get(), SILENCE_S)


class Feed:
    """Polls the log while anybody listens."""

    def __init__(self, events: EventLog, exists: Callable[[int], bool]) -> None:
        self._events, self._exists = events, exists
        self._listeners: dict[int, set[Listener]] = defaultdict(set)
        self._poller: asyncio.Task[None] | None = None
        self._has_place = asyncio.Event()

    async def of(self, study_id: int, *, after: int, follow: bool) -> AsyncIterator[Part]:
        """Yield a study's events after a sequence, several at once: what is stored, then, with `follow`, what comes.

        An empty part means that nothing happened for a while.
        """
        listener = Listener()
        self._listeners[study_id].add(listener)
        try:
            if follow:
                await self._polling()
            is_over = not follow
            while listener.is_behind or not is_over:
                part = await self._next(listener, study_id, after)
                new = [event for event in part or () if event.sequence > after]
                if new:
                    after = new[-1].sequence
                    is_over = not follow or is_final(new[-1])
                    yield new
                elif part is None:
                    is_over = not await run_in_threadpool(self._exists, study_id)
                    yield new
        finally:
            self._listeners[study_id].discard(listener)
            if not self._listeners[study_id]:
                del self._listeners[study_id]

    async def close(self) -> None:
        """Stop polling."""
        if self._poller is not None:
            self._poller.cancel()
            with suppress(asyncio.CancelledError):
                await self._poller

    async def _next(self, listener: Listener, study_id: int, after: int) -> Part | None:
        """Return a listener's next events, from the log if it is behind; None if nothing comes for a while."""
        if not listener.is_behind:
            with suppress(TimeoutError):
                return await listener.next()
            return None
        listener.is_behind = False
        stored = await run_in_threadpool(self._events.after, after, limit=AT_ONCE, study_id=study_id)
        listener.is_behind |= len(stored) == AT_ONCE
        return stored

    async def _polling(self) -> None:
        """Wait until the poller has its place in the log: what is written from then on is told."""
        if self._poller is None or self._poller.done():
            self._has_place.clear()
            self._poller = asyncio.create_task(self._poll())
        await self._has_place.wait()

    async def _poll(self) -> None:
        last: int | None = None
        while self._listeners:
            try:
                if last is None:
                    last = await run_in_threadpool(self._events.latest)
                    self._has_place.set()
                found = await run_in_threadpool(self._events.after, last, limit=AT_ONCE)
            except StoreError as error:  # the database is away; listeners wait for its return
                log.warning("events: %s", error)
                found = []
            except Exception:  # on any failure, listeners must not wait for ever
                log.exception("the log of events cannot be read")
                found = []
            if found:
                last = found[-1].sequence
                self._tell(found)
            if len(found) < AT_ONCE:
                await asyncio.sleep(POLL_S)

    def _tell(self, found: Part) -> None:
        parts: defaultdict[int, list[StudyEvent]] = defaultdict(list)
        for event in found:
            parts[event.study_id].append(event)
        for study_id, part in parts.items():
            for listener in self._listeners.get(study_id, ()):
                listener.tell(part)
