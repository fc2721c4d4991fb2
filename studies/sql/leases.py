"""What happens to a job, and to the study that follows it, inside a transaction.

Every transaction that changes both locks the study first and then its jobs, so that they never deadlock;
the event about the study is written last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from studies.jobs import MAX_ATTEMPTS, Job, JobKind, JobLostError, JobNotFoundError, JobState
from studies.ownership import QUIET, Owner
from studies.records import CandidateState, StudyState
from studies.rules import json_data, text_data
from studies.sql import writes
from studies.sql.convert import UNKNOWN
from studies.sql.events import append_state
from studies.sql.tables import CandidateRow, JobRow, StageSecondsRow, StudyRow, VerificationRow
from studies.sql.torn import TORN

RUNS = (JobKind.RUN, JobKind.RESUME)  # the kinds whose study follows them
LIVE = (JobState.QUEUED, JobState.RUNNING)
_WAITING = (StudyState.QUEUED, StudyState.RUNNING)  # for a run
_UNFINISHED = (StudyState.QUEUED, StudyState.RUNNING, StudyState.INTERRUPTED)
_STUDY_STATE = {
    JobState.QUEUED: StudyState.QUEUED,
    JobState.FAILED: StudyState.FAILED,
    JobState.CANCELLED: StudyState.CANCELLED,
}


class TornJobError(JobLostError):
    """A job, or its study, has a record that cannot be read: no worker can take it."""

    def __init__(self, job_id: int, why: str) -> None:
        super().__init__(f"job {job_id}: its record or its study's cannot be read ({why}); resume the study")
        self.job_id = job_id


def new_job(
    session: Session,
    study_id: int,
    kind: JobKind,
    payload: Mapping[str, object],
    *,
    priority: int,
    owner: str | None,
    context: Mapping[str, str] | None,
    now: datetime,
) -> JobRow:
    """Put a job into the queue."""
    row = JobRow(
        study_id=study_id,
        kind=JobKind(kind),
        payload=json_data(payload, field="payload"),
        state=JobState.QUEUED,
        priority=priority,
        owner=owner,
        attempts=0,
        max_attempts=MAX_ATTEMPTS,
        cancel_requested=False,
        created_at=now,
        context=json_data(context, field="context") if context else None,
    )
    session.add(row)
    session.flush()
    return row


def locked_job(session: Session, job_id: int) -> tuple[StudyRow, JobRow] | None:
    """Return a job with its study, both locked; None where there is no such job. Raises `TornJobError`."""
    study_id = session.scalar(select(JobRow.study_id).where(JobRow.id == job_id))
    with _named(job_id):
        study = None if study_id is None else session.get(StudyRow, study_id, with_for_update=True)
        job = None if study is None else session.get(JobRow, job_id, with_for_update=True)
    return None if study is None or job is None else (study, job)


def job_row(session: Session, job_id: int) -> JobRow:
    """Return a job that is locked. Raises `TornJobError`."""
    with _named(job_id):
        return session.get_one(JobRow, job_id)


@contextmanager
def _named(job_id: int) -> Iterator[None]:
    try:
        yield
    except TORN as error:
        raise TornJobError(job_id, str(error)) from error


def set_aside(session: Session, torn: TornJobError, *, process: Owner, now: datetime) -> None:
    """Fail a job that cannot be read; its study fails too if it can be read and waits for this job alone."""
    failed = {"state": JobState.FAILED, "error": text_data(str(torn)), "lease_until": None, "finished_at": now}
    session.execute(update(JobRow).where(JobRow.id == torn.job_id).values(failed))
    of_job = select(JobRow.study_id).where(JobRow.id == torn.job_id).scalar_subquery()
    runs = JobRow.state.in_(LIVE) & JobRow.kind.in_(RUNS)
    if session.scalar(select(JobRow.id).where(JobRow.study_id == of_job, runs).limit(1)) is not None:
        return
    try:
        study = session.scalar(select(StudyRow).where(StudyRow.id == of_job).with_for_update())
    except TORN:  # listed as broken already
        return
    if study is None or study.state not in _WAITING:
        return
    if writes.what_keeps_study(study, process, quiet_for=QUIET) is None:
        move_study(session, study, StudyState.FAILED, error=str(torn), process=process, now=now)


def held_job(session: Session, job_id: int, worker: str) -> tuple[StudyRow, JobRow]:
    """Return a job that is a worker's, with its study, both locked. Raises `JobLostError`."""
    study, job = locked_job(session, job_id) or (None, None)
    job = job_of(job, worker)
    return study or session.get_one(StudyRow, job.study_id), job


def job_of(job: JobRow | None, worker: str) -> JobRow:
    """Return the job if it runs and is this worker's. Raises `JobLostError`."""
    if job is None:
        raise JobLostError("job: it is deleted with its study; stop working on it")
    if job.state is not JobState.RUNNING or job.worker != worker:
        has_it = f"is {job.state}" if job.state is not JobState.RUNNING else f"is {job.worker!r}'s"
        raise JobLostError(f"job {job.id}: not {worker!r}'s any more, it {has_it}; stop working on it")
    return job


def lend(session: Session, job: JobRow, worker: str, *, until: datetime, now: datetime) -> None:
    """Give a queued job to a worker, with the claim to its study."""
    job.state, job.worker, job.lease_until = JobState.RUNNING, worker, until
    job.attempts += 1
    job.started_at = job.started_at or now
    job.claims = session.scalar(select(StudyRow.claims).where(StudyRow.id == job.study_id)) or 0
    job.progress = progress_of(session, job.study_id)


def progress_of(session: Session, study_id: int) -> int:
    """Count the progress of a study: finished stages, finished and verified candidates."""
    finished = (CandidateRow.study_id == study_id) & (CandidateRow.state != CandidateState.RUNNING)
    counts = (
        select(func.count()).where(StageSecondsRow.study_id == study_id),
        select(func.count()).where(finished),
        select(func.count()).join_from(VerificationRow, CandidateRow).where(CandidateRow.study_id == study_id),
    )
    return sum(session.scalar(each) or 0 for each in counts)


def put_back(job: JobRow) -> None:
    """Take a job from its worker, to wait for the next."""
    job.state, job.worker, job.lease_until = JobState.QUEUED, None, None


def end(job: JobRow, state: JobState, *, error: str | None = None, now: datetime) -> None:
    """End a job."""
    job.state, job.lease_until, job.finished_at = state, None, now
    job.error = None if error is None else text_data(error)


def is_lost(job: JobRow, now: datetime) -> bool:
    """Whether a job's lease ran out."""
    return job.state is JobState.RUNNING and job.lease_until is not None and job.lease_until <= now


def recover(session: Session, job: JobRow, *, now: datetime) -> None:
    """Decide on a job that its worker left: cancelled where that was asked for, failed after its last attempt.

    Only attempts in a row without progress count.
    """
    if job.kind in RUNS and progress_of(session, job.study_id) > job.progress:
        job.attempts = 0
    if job.cancel_requested:
        end(job, JobState.CANCELLED, now=now)
    elif job.attempts >= job.max_attempts:
        error = (
            f"the worker stopped answering {job.attempts} times without any progress, last {job.worker!r}; it was "
            "killed, perhaps for want of memory: see its log, then resume the study"
        )
        end(job, JobState.FAILED, error=error, now=now)
    else:
        put_back(job)


def let_study_follow(
    session: Session, study: StudyRow, job: JobRow, *, process: Owner, quiet_for: timedelta, now: datetime
) -> None:
    """Give an unfinished study the state of its run, as the last write of the transaction.

    One that a live process runs is left alone, and so is one that ended before its job did.
    """
    state = _STUDY_STATE.get(job.state)
    if state is None or job.kind not in RUNS or study.state not in _UNFINISHED:
        return
    if writes.what_keeps_study(study, process, quiet_for=quiet_for) is None:
        move_study(session, study, state, error=job.error, process=process, now=now)


def move_study(
    session: Session, study: StudyRow, state: StudyState, *, error: str | None, process: Owner, now: datetime
) -> None:
    """Give a locked study a state, which makes earlier claims void, as the last write of the transaction.

    Nothing else is changed of a study that is in this state already.
    """
    if writes.set_state(study, state, process):
        study.revision += 1
        study.updated_at = now
        study.error = error
        append_state(session, study, now=now)


def found(job: JobRow | None, job_id: int) -> JobRow:
    """Return the job. Raises `JobNotFoundError`."""
    if job is None:
        raise JobNotFoundError(f"job: none has the id {job_id}; it may be deleted with its study")
    return job


def job_record(row: JobRow) -> Job:
    """Return a job from its row."""
    return Job(
        id=row.id,
        study_id=row.study_id,
        kind=row.kind,
        payload=row.payload,
        state=row.state,
        priority=row.priority,
        owner=row.owner,
        attempts=row.attempts,
        max_attempts=row.max_attempts,
        worker=row.worker,
        lease_until=row.lease_until,
        cancel_requested=row.cancel_requested,
        error=row.error,
        result=row.result,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        claims=row.claims,
        context=row.context or {},
    )


def torn_job(row: Any, why: str) -> Job:  # Any: the columns that are read
    """Return the stand-in for a job whose record is torn."""
    return Job(
        id=row.id,
        study_id=row.study_id,
        kind=JobKind.EXPORT,
        payload={},
        state=JobState.FAILED,
        priority=0,
        owner=row.owner,
        attempts=0,
        max_attempts=0,
        worker=None,
        lease_until=None,
        cancel_requested=False,
        error=why,
        result=None,
        created_at=UNKNOWN,
        started_at=None,
        finished_at=None,
    )
