"""The queue: which workers there are, what they run, and what waits for them."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter
from pydantic import BaseModel

from api.http.access import Caller, Reader
from api.http.problems import responses
from api.http.state import Shared, State
from studies.jobs import Job, JobState
from studies.records import Study
from studies.sql.workers import WorkerRecord
from studies.store import StudyNotFoundError

router = APIRouter(prefix="/v1", tags=["queue"])
SILENT_S = 40.0  # four times as long as an idle worker is silent


class QueuedJob(BaseModel):
    """A job that runs or waits. `study` and `candidate` are null if the caller may not see the study."""

    id: int
    kind: str
    state: JobState
    study: str | None
    candidate: int | None
    priority: int
    attempts: int
    worker: str | None
    created_at: datetime
    started_at: datetime | None


class WorkerView(BaseModel):
    """A worker; `job` is the id of what it runs, null while it waits for work. A silent worker may be dead."""

    name: str
    started_at: datetime | None
    silent: bool
    job: int | None


class Queue(BaseModel):
    """All workers, and all jobs: those that run, then those that wait by priority and age; keys take turns."""

    workers: list[WorkerView]
    jobs: list[QueuedJob]


@router.get("/queue", responses=responses(401, 403, 422, 429))
def read_queue(state: Shared, caller: Reader) -> Queue:
    """Read which workers there are, what they run, and what waits."""
    return queue_of(state, caller)


def queue_of(state: State, caller: Caller) -> Queue:
    """Return the queue as a caller is shown it."""
    now, jobs = datetime.now(UTC), state.service.jobs.live()
    runs = {job.worker: job for job in jobs if job.worker}
    known = {worker.name: worker for worker in state.service.workers.all()}
    workers = [
        WorkerView(
            name=name,
            started_at=known[name].started_at if name in known else None,
            silent=_is_overdue(runs[name], now) if name in runs else _is_silent(known[name], now),
            job=runs[name].id if name in runs else None,
        )
        for name in dict.fromkeys([*known, *runs])
    ]
    return Queue(workers=workers, jobs=[_queued(job, state, caller) for job in jobs])


def _is_overdue(job: Job, now: datetime) -> bool:
    return job.lease_until is not None and job.lease_until < now


def _is_silent(worker: WorkerRecord, now: datetime) -> bool:
    return (now - worker.seen_at).total_seconds() > SILENT_S


def _queued(job: Job, state: State, caller: Caller) -> QueuedJob:
    study = _study_of(job, state)
    is_shown = study is not None and caller.may_see(study)
    return QueuedJob(
        id=job.id,
        kind=job.kind.value,
        state=job.state,
        study=study.slug if study is not None and is_shown else None,
        candidate=job.payload.get("candidate") if is_shown else None,
        priority=job.priority,
        attempts=job.attempts,
        worker=job.worker,
        created_at=job.created_at,
        started_at=job.started_at,
    )


def _study_of(job: Job, state: State) -> Study | None:
    """Return a job's study, None if it has just been deleted."""
    try:
        return state.service.store.study(str(job.study_id))
    except StudyNotFoundError:
        return None
