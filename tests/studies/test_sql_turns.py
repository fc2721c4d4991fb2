"""Turns: owners of jobs share the workers, whatever they submit, end, give back or delete, in whatever order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from service_examples import Clock

from studies.jobs import Job, JobKind, JobState
from studies.sql.database import Database
from studies.sql.service import SqlService

LEASE_S = 30.0
OWNERS = (None, "ann", "bob")
WHAT_HAPPENS = st.lists(st.sampled_from([*OWNERS, "claim", "claim", "end", "give back"]), min_size=6, max_size=14)


@pytest.fixture(params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, clock: Clock) -> Iterator[SqlService]:
    database = Database.open(request.getfixturevalue(f"{request.param}_url"))
    yield SqlService(database, clock=clock)
    database.close()


def lent(service: SqlService) -> Job:
    job = service.jobs.claim("mine", lease_s=LEASE_S)
    assert job is not None
    return job


def test_a_job_that_is_given_back_again_and_again_keeps_nobody_waiting(service: SqlService) -> None:
    for slug, owner in (("a-1", "ann"), ("b-1", "bob"), ("b-2", "bob")):
        service.submit(slug, {}, owner=owner)
    served = []
    for _ in range(6):
        job = lent(service)
        served.append(job.owner)
        if job.owner == "ann":
            service.jobs.release(job.id, "mine")
        else:
            service.jobs.finish(job.id, "mine", state=JobState.DONE)
    assert served == ["ann", "bob", "ann", "bob", "ann", "ann"]


def test_who_deletes_what_was_served_is_not_served_first_again(service: SqlService) -> None:
    for slug in ("b-1", "b-2"):
        service.submit(slug, {}, owner="bob")
    served = []
    for number in range(4):
        service.submit(f"a-{number}", {}, owner="ann")
        job = lent(service)
        served.append(job.owner)
        service.jobs.finish(job.id, "mine", state=JobState.DONE)
        if job.owner == "ann":
            service.store.delete_study(job.study_id)
    assert served == ["bob", "ann", "bob", "ann"]


class World:
    """What owners have waiting, running and behind them, kept beside the queue, by the rule in words."""

    def __init__(self, service: SqlService) -> None:
        self.jobs, self.study = service.jobs, service.submit("of-all", {})
        self.jobs.request_cancel(self.study.id)
        self.waiting: dict[str | None, list[int]] = {owner: [] for owner in OWNERS}
        self.running: list[Job] = []
        self.turns: list[str | None] = []
        self.passed: dict[str | None, Counter[str | None]] = {owner: Counter() for owner in OWNERS}

    def step(self, what: str | None) -> None:
        if what in OWNERS:
            self.waiting[what].append(self.jobs.enqueue(self.study.id, JobKind.EXPORT, {}, owner=what).id)
        elif what == "claim":
            self.claim()
        elif self.running:
            job = self.running.pop(0)
            if what == "end":
                self.jobs.finish(job.id, "mine", state=JobState.DONE)
            else:
                self.jobs.release(job.id, "mine")
                self.waiting[job.owner] = sorted([job.id, *self.waiting[job.owner]])

    def claim(self) -> None:
        found = self.jobs.claim("mine", lease_s=LEASE_S)
        waits = [owner for owner in OWNERS if self.waiting[owner]]
        assert (found is None) == (not waits)
        if found is None:
            return
        assert self.place(found.owner) == min(map(self.place, waits))
        assert found.id == self.waiting[found.owner].pop(0)
        self.running.append(found)
        self.turns.append(found.owner)
        for owner in waits:
            self.passed[owner][found.owner] += 1
        self.passed[found.owner].clear()
        for owner in OWNERS:
            if any(job.owner == owner for job in self.running) or not self.waiting[owner]:
                self.passed[owner].clear()
            assert max(self.passed[owner].values(), default=0) <= 1

    def place(self, owner: str | None) -> tuple[int, int]:
        last = max((number for number, each in enumerate(self.turns) if each == owner), default=-1)
        return sum(job.owner == owner for job in self.running), last


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(what=WHAT_HAPPENS)
def test_in_any_order_the_next_is_who_has_least_and_waited_longest(service: SqlService, what: list[str | None]) -> None:
    with service.database.write() as session:
        for table in ("jobs", "turns", "studies"):
            session.connection().exec_driver_sql(f"DELETE FROM {table}")
    world = World(service)
    for one in (*what, *["claim"] * len(what)):
        world.step(one)
    assert not any(world.waiting.values()), "claims enough for all leave nobody waiting"
    assert service.jobs.claim("mine", lease_s=LEASE_S) is None
