"""The feed: whoever listens hears every event once, however slow anybody is, and costs one read."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry
from sqlalchemy import event as listening

from api.http import access
from api.http import feed as module
from api.http import state as state_module
from api.http.feed import Feed
from api.http.routes import events
from api.http.settings import Settings
from api.http.state import State
from studies.events import StudyEvent
from studies.keys import Scope
from studies.opening import open_service
from studies.sql.service import SqlService

STORED, CLIENTS = 418, 50


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqlService]:
    monkeypatch.setattr(module, "POLL_S", 0.01)
    made = open_service(f"sqlite:///{tmp_path}/s.sqlite")
    yield made
    made.close()


def study_of(service: SqlService, events: int) -> int:
    study = service.store.create_study("s", {"epsilon": 0.1})
    for number in range(events - 1):  # to be created was one
        service.events.append(study.id, "stage", {"done": number})
    return study.id


class Held:
    """An event log that waits, before or after the named looks, until it is let go."""

    def __init__(self, service: SqlService, *names: str) -> None:
        self._events, self._names = service.events, names
        self.waiting, self.go = threading.Event(), threading.Event()

    def latest(self) -> int:
        return self._slowly("latest", self._events.latest)

    def after(self, sequence: int, *, limit: int, study_id: int | None = None) -> Sequence[StudyEvent]:
        name = "poll" if study_id is None else "replay"
        return self._slowly(name, lambda: self._events.after(sequence, limit=limit, study_id=study_id))

    def _slowly(self, name: str, look: Callable[[], object]) -> object:
        self._wait_if(f"{name} before")
        found = look()
        self._wait_if(f"{name} after")
        return found

    def _wait_if(self, moment: str) -> None:
        if moment in self._names:
            self.waiting.set()
            assert self.go.wait(120)


async def heard(feed: Feed, study_id: int, until: int, after: int = 0) -> list[int]:
    """Return the numbers of the events that a listener hears, up to a number and a little longer."""
    found: list[int] = []

    async def listen() -> None:
        async for part in feed.of(study_id, after=after, follow=True):
            found.extend(event.sequence for event in part)

    task = asyncio.create_task(listen())
    async with asyncio.timeout(120):
        while not found or found[-1] < until:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return found


MOMENTS = [f"{look} {when}" for look in ("latest", "poll", "replay") for when in ("before", "after")]


@pytest.mark.parametrize("slow", [*((moment,) for moment in MOMENTS), ("latest before", "replay after")], ids="+".join)
def test_no_event_is_lost_or_doubled_whichever_look_is_slow(slow: tuple[str, ...], service: SqlService) -> None:
    study = study_of(service, 5)

    async def race() -> list[int]:
        log = Held(service, *slow)
        feed = Feed(log, service.has_study)
        listener = asyncio.create_task(heard(feed, study, 8))
        assert await asyncio.to_thread(log.waiting.wait, 120)
        await asyncio.sleep(0.1)  # whatever does not wait for the slow look is done
        for number in range(3):
            await asyncio.to_thread(service.events.append, study, "stage", {"done": number})
        await asyncio.sleep(0.05)
        log.go.set()
        found = await listener
        await feed.close()
        return found

    assert asyncio.run(race()) == list(range(1, 9))


def test_a_listener_that_falls_behind_reads_the_log_again(service: SqlService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 1)
    study = study_of(service, 3)

    async def crawl() -> list[int]:
        feed = Feed(service.events, service.has_study)
        found: list[int] = []
        async with asyncio.timeout(120):
            async for part in feed.of(study, after=0, follow=True):
                for _ in range(5 if not found else 0):
                    await asyncio.to_thread(service.events.append, study, "stage", {})
                    await asyncio.sleep(0.05)  # each is a part of its own, for which there is no room
                found += [event.sequence for event in part]
                if found[-1] >= 8:
                    break
        await feed.close()
        return found

    assert asyncio.run(crawl()) == list(range(1, 9))


def test_a_long_past_that_ended_and_went_on_is_told_whole(service: SqlService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 2)
    study = study_of(service, 1)
    for kind, data in (("state", {"state": "complete"}), ("stage", {}), ("stage", {}), ("state", {"state": "failed"})):
        service.events.append(study, kind, data)

    async def replay(*, follow: bool) -> list[int]:
        feed = Feed(service.events, service.has_study)
        found = [e.sequence async for part in feed.of(study, after=0, follow=follow) for e in part]
        await feed.close()
        return found

    assert asyncio.run(replay(follow=True)) == asyncio.run(replay(follow=False)) == [1, 2, 3, 4, 5]


def test_a_replay_is_one_read_and_one_part_however_many_listen(service: SqlService) -> None:
    study = study_of(service, STORED)
    statements: list[str] = []
    listening.listen(service.database.engine, "before_cursor_execute", lambda *a: statements.append(a[2]))

    async def crowd() -> list[list[int]]:
        feed = Feed(service.events, service.has_study)

        async def one() -> list[int]:
            return [len(part) async for part in feed.of(study, after=0, follow=False)]

        return await asyncio.gather(*(one() for _ in range(CLIENTS)))

    assert asyncio.run(crowd()) == [[STORED]] * CLIENTS
    assert len(statements) == CLIENTS
    plan = "EXPLAIN QUERY PLAN " + statements[0].replace("?", "1")
    with service.database.glance() as connection:
        assert "USING INDEX ix_events_study_id_sequence" in str(connection.exec_driver_sql(plan).all())


def test_a_page_is_followed_from_the_state_it_was_rendered_with(place: object, client: TestClient) -> None:
    client.post("/v1/studies", json=place.request(name="s"))
    service = open_service(place.settings.storage)
    study = service.store.study("s").id
    service.events.append(study, "stage", {"stage": "load"})
    text = client.get("/studies/s").text
    after = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])["after"]
    assert after == service.events.latest()
    service.events.append(study, "stage", {"stage": "bank"})
    for query, headers in ((f"&after={after}", {}), ("", {"Last-Event-ID": str(after)})):
        told = client.get(f"/v1/studies/s/events?follow=false{query}", headers=headers).text
        assert (told.count("event:"), '"bank"' in told) == (1, True)
    service.close()


@pytest.mark.parametrize("change", ["revoked", "made"])
def test_who_follows_is_told_nothing_more_once_a_key_says_no(
    change: str, service: SqlService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "LOOKED_AGAIN_S", 0.0)
    monkeypatch.setattr(state_module, "LOOKED_EVERY_S", 0.0)
    study = study_of(service, 2)
    caller = access.EVERYBODY
    if change == "revoked":
        caller = access.Caller(service.keys.add("ann", [Scope.READ])[0].id, frozenset({Scope.READ}))
    shared = State(
        Settings(storage="unused", cache_dir=tmp_path, artifacts=tmp_path),
        service,
        Feed(service.events, service.has_study),
        CollectorRegistry(),
    )

    async def told() -> list[bytes]:
        stream = events._told(shared, study, 0, access.Stay(shared, caller), follow=True)
        parts = [await anext(stream)]
        service.keys.revoke("ann") if change == "revoked" else service.keys.add("bob", [Scope.READ])
        service.events.append(study, "stage", {"stage": "secret"})
        async with asyncio.timeout(120):
            parts += [part async for part in stream]
        await shared.feed.close()
        return parts

    [first] = asyncio.run(told())
    assert b"secret" not in first
