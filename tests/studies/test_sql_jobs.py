"""The queue: leases that run out, claims that go with them, attempts that count only without progress."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import store_examples as some
from service_examples import ELSEWHERE, Clock

from studies.jobs import Job, JobKind, JobLostError, JobState
from studies.records import StudyState
from studies.sql.database import Database
from studies.sql.service import SqlService
from studies.store import StudyLostError

LEASE_S = 30.0


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def here(url: str, clock: Clock) -> Iterator[SqlService]:
    database = Database.open(url)
    yield SqlService(database, clock=clock)
    database.close()


@pytest.fixture
def there(here: SqlService, clock: Clock) -> SqlService:
    """The same database, seen by a process of another host."""
    return SqlService(here.database, clock=clock, process=ELSEWHERE)


def lent(service: SqlService, worker: str) -> Job:
    job = service.jobs.claim(worker, lease_s=LEASE_S)
    assert job is not None
    return job


def test_a_worker_whose_lease_ran_out_cannot_claim_end_or_tell(
    here: SqlService, there: SqlService, clock: Clock
) -> None:
    here.submit("s", {})
    mine = lent(here, "mine")
    clock.move(seconds=LEASE_S)
    theirs = lent(there, "theirs")
    assert theirs.claims > mine.claims
    store, events = here.store.under(mine.claim), here.events.under(mine.claim)
    for write in (
        lambda: store.claim_study(mine.study_id),
        lambda: store.update_study(mine.study_id, state=StudyState.FAILED),
        lambda: events.append(mine.study_id, "stage", {}),
    ):
        with pytest.raises(StudyLostError):
            write()
    for end in (
        lambda: here.jobs.heartbeat(mine.id, "mine", lease_s=LEASE_S),
        lambda: here.jobs.finish(mine.id, "mine", state=JobState.FAILED),
        lambda: here.jobs.release(mine.id, "mine"),
    ):
        with pytest.raises(JobLostError):
            end()
    assert there.store.under(theirs.claim).claim_study(theirs.study_id).state is StudyState.RUNNING


def test_a_worker_that_ran_the_study_cannot_write_once_its_lease_is_anothers(
    here: SqlService, there: SqlService, clock: Clock
) -> None:
    study = here.submit("s", {})
    mine = here.store.under(lent(here, "mine").claim)
    mine.claim_study(study.id)
    candidate = mine.start_candidate(study.id, some.proposal(1))
    clock.move(minutes=20)
    theirs = there.store.under(lent(there, "theirs").claim)
    with pytest.raises(StudyLostError):
        mine.finish_candidate(candidate.id, some.outcome())
    theirs.claim_study(study.id)
    assert theirs.start_candidate(study.id, some.proposal(1)) == candidate
    theirs.update_study(study.id, state=StudyState.COMPLETE)
    with pytest.raises(StudyLostError):
        mine.update_study(study.id, state=StudyState.FAILED)
    assert here.store.study("s").state is StudyState.COMPLETE


def killed_once(service: SqlService, clock: Clock, *, number: int | None) -> Job:
    """Take the job, finish a candidate of this number if there is one, and be silent until the lease runs out."""
    job = lent(service, "killed")
    store = service.store.under(job.claim)
    store.claim_study(job.study_id)
    if number is not None:
        store.finish_candidate(store.start_candidate(job.study_id, some.proposal(number)).id, some.outcome())
    clock.move(minutes=20)
    return job


def test_attempts_count_only_without_progress(here: SqlService, there: SqlService, clock: Clock) -> None:
    study = here.submit("s", {})
    for number in range(5):
        assert killed_once(there, clock, number=number).attempts == 1
    for _ in range(3):
        killed_once(there, clock, number=None)
    assert here.jobs.claim("next", lease_s=LEASE_S) is None
    [job] = here.jobs.jobs(study.id)
    assert (job.state, here.store.study("s").state) == (JobState.FAILED, StudyState.FAILED)
    assert "3 times without any progress" in str(here.store.study("s").error)


def test_a_job_given_back_is_no_attempt_and_its_claim_is_void(here: SqlService) -> None:
    study = here.submit("s", {})
    for _ in range(5):
        job = lent(here, "mine")
        mine = here.store.under(job.claim)
        mine.claim_study(study.id)
        assert here.jobs.release(job.id, "mine").attempts == 0
        with pytest.raises(StudyLostError):
            mine.update_study(study.id, state=StudyState.FAILED)
        assert here.store.study("s").state is StudyState.QUEUED


def test_owners_take_turns_and_priority_orders_the_jobs_of_one(here: SqlService, clock: Clock) -> None:
    for number, (owner, priority) in enumerate([("greedy", 9)] * 4 + [("modest", 0), ("greedy", 10), (None, 0)]):
        here.submit(f"s-{number}", {}, owner=owner, priority=priority)
    served: list[int] = []
    for _ in range(7):
        clock.move(seconds=1)
        job = lent(here, "mine")
        served.append(job.study_id)
        here.jobs.finish(job.id, "mine", state=JobState.DONE)
    assert served == [6, 5, 7, 1, 2, 3, 4]


def test_who_has_fewest_running_comes_first(here: SqlService, clock: Clock) -> None:
    for owner in ("first", "first", "first", "second", "second"):
        here.submit(f"s-{clock().second}", {}, owner=owner)
        clock.move(seconds=1)
    assert [lent(here, f"w{number}").owner for number in range(5)] == ["first", "second", "first", "second", "first"]


def test_an_export_waits_for_no_study_where_a_worker_takes_exports_alone(here: SqlService) -> None:
    waiting = here.submit("waiting", {}, owner="mine")
    here.submit("running", {}, owner="mine")
    here.jobs.enqueue(waiting.id, JobKind.EXPORT, {"candidate": 1}, owner="mine")
    runs = (JobKind.RUN, JobKind.RESUME)
    assert here.jobs.claim("studies", lease_s=LEASE_S, per_owner=1, kinds=runs) is not None
    assert here.jobs.claim("more studies", lease_s=LEASE_S, per_owner=1, kinds=runs) is None
    export = here.jobs.claim("exports", lease_s=LEASE_S, per_owner=1, kinds=(JobKind.EXPORT,))
    assert export is not None and export.kind is JobKind.EXPORT
