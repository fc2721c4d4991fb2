"""Quotas of keys: what is over them is refused with a reason and a time, however many servers are asked at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from service_examples import Clock

from studies.jobs import JobKind
from studies.keys import ApiKey, Scope
from studies.quotas import BeyondQuotaError, OverQuotaError, Quota, Use
from studies.sql.database import Database
from studies.sql.service import SqlService
from studies.store import StoreError

LEASE_S = 30.0
RUNS = (JobKind.RUN, JobKind.RESUME)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def service(url: str, clock: Clock) -> Iterator[SqlService]:
    database = Database.open(url)
    yield SqlService(database, clock=clock)
    database.close()


def key_with(service: SqlService, **most: int) -> ApiKey:
    return service.keys.add("ann", [Scope.WRITE], quota=Quota(**most))[0]


def test_what_waits_is_bounded_for_every_kind_of_job(service: SqlService) -> None:
    ann = key_with(service, queued=2)
    first, _ = (service.submit(slug, {}, owner=ann.id, idempotency_key=slug) for slug in ("a", "b"))
    for more in (
        lambda: service.submit("c", {}, owner=ann.id),
        lambda: service.jobs.enqueue(first.id, JobKind.EXPORT, {}, owner=ann.id),
    ):
        with pytest.raises(OverQuotaError, match=r"'ann': 2 jobs wait.*quota of queued jobs is 2.*keys quota ann"):
            more()
    assert service.find("c") is None
    assert service.submit("a", {}, owner=ann.id, idempotency_key="a") == first  # asked again, not more
    service.jobs.request_cancel(first.id)
    service.submit("c", {}, owner=ann.id)
    with pytest.raises(OverQuotaError, match="--queued N"):
        service.requeue(first.id, {}, owner=ann.id)
    service.keys.change_quota("ann", {"queued": None})
    service.requeue(first.id, {}, owner=ann.id)
    assert service.keys.use(ann.id) == Use(queued=3, running=0, candidates=0)


def test_candidates_count_for_a_day_and_a_deleted_study_gives_none_back(service: SqlService, clock: Clock) -> None:
    ann = key_with(service, candidates=100)
    gone = service.submit("a", {}, owner=ann.id, candidates=60)
    service.jobs.request_cancel(gone.id)
    service.store.delete_study(gone.id)
    clock.move(hours=1)
    service.submit("b", {}, owner=ann.id, candidates=30)
    with pytest.raises(OverQuotaError, match="lower `trials` to 10, or have the operator") as refused:
        service.submit("c", {}, owner=ann.id, candidates=50)
    assert refused.value.retry_after_s == 23 * 3600
    with pytest.raises(BeyondQuotaError, match=r"101 candidates.*is 100 in 24 hours; lower `trials`"):
        service.submit("c", {}, owner=ann.id, candidates=101)
    clock.move(seconds=refused.value.retry_after_s - 1)
    with pytest.raises(OverQuotaError):
        service.submit("c", {}, owner=ann.id, candidates=50)
    clock.move(seconds=1)
    service.submit("c", {}, owner=ann.id, candidates=50)
    assert service.keys.use(ann.id).candidates == 80


def test_a_keys_own_number_of_running_jobs_goes_before_that_of_the_workers(service: SqlService) -> None:
    ann = key_with(service, running=1)
    for slug in ("a", "b", "c"):
        service.submit(slug, {}, owner=ann.id)

    def claim() -> bool:
        return service.jobs.claim("w", lease_s=LEASE_S, per_owner=2, kinds=RUNS) is not None

    assert [claim(), claim()] == [True, False]
    service.keys.change_quota("ann", {"running": 3})
    assert [claim(), claim(), claim()] == [True, True, False]


def test_of_servers_that_are_asked_at_once_together_no_more_get_through(url: str, service: SqlService) -> None:
    ann = key_with(service, queued=3, candidates=50)
    servers = [SqlService(Database.open(url)) for _ in range(2)]
    ready = Barrier(8)

    def submit(number: int) -> bool:
        ready.wait()
        try:
            servers[number % 2].submit(f"s-{number}", {}, owner=ann.id, candidates=20)
        except OverQuotaError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(submit, range(8))) == 2
    for server in servers:
        server.close()


def test_a_quota_is_a_number_that_databases_can_hold_and_the_others_stay(service: SqlService) -> None:
    key_with(service, queued=2)
    for most in (0, -1, 2**31):
        with pytest.raises(StoreError, match=r"running: .* is no quota"):
            service.keys.change_quota("ann", {"running": most})
    assert service.keys.change_quota("ann", {"running": 2**31 - 1}).quota == Quota(queued=2, running=2**31 - 1)
    [kept] = service.keys.keys()
    assert kept.quota == Quota(queued=2, running=2**31 - 1)
