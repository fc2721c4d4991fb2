"""The queue in SQL.

In PostgreSQL a worker that claims passes over rows that others hold (`SKIP LOCKED`); in SQLite writers wait for each
other. The next claim settles every job whose lease ran out, each in a transaction of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from studies.events import LEASE
from studies.jobs import MAX_ATTEMPTS, Job, JobKind, JobState
from studies.ownership import QUIET, Owner
from studies.records import StudyState
from studies.rules import LARGEST_ID, json_data, utc_now
from studies.sql import leases, writes
from studies.sql.database import Database
from studies.sql.events import append_event
from studies.sql.leases import job_record
from studies.sql.quotas import refuse_over
from studies.sql.tables import JobRow, StudyRow
from studies.sql.torn import readable
from studies.sql.turns import next_job, take_turn
from studies.store import StoreError

log = logging.getLogger(__name__)


class SqlJobQueue:
    """A `JobQueue` in a SQL database. `process` is the one that claims, for distinguishing live runs from dead ones."""

    def __init__(
        self, database: Database, *, clock: Callable[[], datetime] = utc_now, process: Owner | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._process = process or Owner.of_this_process()

    def enqueue(
        self,
        study_id: int,
        kind: JobKind,
        payload: Mapping[str, Any],
        *,
        priority: int = 0,
        owner: str | None = None,
        max_attempts: int = MAX_ATTEMPTS,
        context: Mapping[str, str] | None = None,
    ) -> Job:
        """Add a job. Of its owner's jobs the greater `priority` goes first.

        Raises `StudyNotFoundError`, `OverQuotaError`.
        """
        now = self._clock()
        with self._database.write() as session:
            writes.locked_study(session, study_id)
            refuse_over(session, owner, now=now)
            row = leases.new_job(
                session, study_id, kind, payload, priority=priority, owner=owner, context=context, now=now
            )
            row.max_attempts = max_attempts
            return job_record(row)

    def claim(
        self, worker: str, *, lease_s: float, per_owner: int | None = None, kinds: Collection[JobKind] = tuple(JobKind)
    ) -> Job | None:
        """Lease the job whose turn it is among owners, then by priority and age; None where nothing may start."""
        for job_id in self._lost():
            try:
                self._recover(job_id)
            except leases.TornJobError as torn:
                self._set_aside(torn)
        if not self.waiting():  # so that idle workers, who ask often, never wait for a writer
            return None
        try:
            return self._lent(worker, timedelta(seconds=lease_s), per_owner, kinds)
        except leases.TornJobError as torn:
            self._set_aside(torn)
            return self.claim(worker, lease_s=lease_s, per_owner=per_owner, kinds=kinds)

    def heartbeat(self, job_id: int, worker: str, *, lease_s: float) -> Job:
        """Renew a lease; the job returned tells whether to stop (`cancel_requested`). Raises `JobLostError`."""
        with self._database.write() as session:
            row = leases.job_of(session.get(JobRow, job_id, with_for_update=True), worker)
            row.lease_until = self._clock() + timedelta(seconds=lease_s)
            return job_record(row)

    def finish(
        self, job_id: int, worker: str, *, state: JobState, error: str | None = None, result: object = None
    ) -> Job:
        """End a job as done, failed or cancelled. Raises `JobLostError`."""
        if state in leases.LIVE:
            raise StoreError(f"job {job_id}: a job ends done, failed or cancelled, not {state}")
        data = json_data(result, field="result")

        def finished(_: Session, row: JobRow, now: datetime) -> None:
            leases.end(row, state, error=error, now=now)
            row.result = data

        return self._given_up(job_id, worker, finished)

    def release(self, job_id: int, worker: str) -> Job:
        """Put a job back, the attempt not counted; one that was to be cancelled is. Raises `JobLostError`."""

        def released(session: Session, row: JobRow, now: datetime) -> None:
            row.attempts -= 1
            leases.recover(session, row, now=now)

        return self._given_up(job_id, worker, released)

    def request_cancel(self, study_id: int) -> bool:
        """Cancel what waits for a study, the study with it, and ask what runs to stop; False where nothing did.

        Raises `StudyNotFoundError`.
        """
        try:
            return self._cancelled(study_id)
        except leases.TornJobError as torn:
            self._set_aside(torn)
            return self.request_cancel(study_id)

    def _cancelled(self, study_id: int) -> bool:
        now = self._clock()
        with self._database.write() as session:
            study = writes.locked_study(session, study_id)
            live = select(JobRow.id).where(JobRow.study_id == study_id, JobRow.state.in_(leases.LIVE))
            ids = session.scalars(live.order_by(JobRow.id).with_for_update()).all()
            rows = [leases.job_row(session, job_id) for job_id in ids]
            waited = study.state is StudyState.QUEUED
            for row in rows:
                if row.state is JobState.QUEUED:
                    leases.end(row, JobState.CANCELLED, now=now)
                row.cancel_requested = True
            if waited and not any(row.state is JobState.RUNNING and row.kind in leases.RUNS for row in rows):
                leases.move_study(session, study, StudyState.CANCELLED, error=None, process=self._process, now=now)
            return waited or bool(rows)

    def job(self, job_id: int) -> Job:
        """Return a job. Raises `JobNotFoundError`."""
        with self._database.read() as session:
            row = session.get(JobRow, job_id) if job_id <= LARGEST_ID else None
            return job_record(leases.found(row, job_id))

    def jobs(self, study_id: int) -> Sequence[Job]:
        """Return the jobs of a study, oldest first."""
        of_study = select(JobRow).where(JobRow.study_id == study_id).order_by(JobRow.id)
        return self._read(of_study)

    def exports(self, *, after: int | None, limit: int, owners: Collection[str] | None) -> Sequence[Job]:
        """Return at most `limit` exports of studies of some owners (None: all), newest first, below the id `after`."""
        found = select(JobRow).where(JobRow.kind == JobKind.EXPORT).order_by(JobRow.id.desc()).limit(limit)
        if after is not None:
            found = found.where(JobRow.id < min(after, LARGEST_ID))
        if owners is not None:
            found = found.join(StudyRow, StudyRow.id == JobRow.study_id).where(StudyRow.owner.in_(owners))
        return self._read(found)

    def live(self) -> Sequence[Job]:
        """Return all jobs that run, then all that wait: by priority, then age, though owners take turns."""
        live = select(JobRow).where(JobRow.state.in_(leases.LIVE)).order_by(JobRow.priority.desc(), JobRow.id)
        return sorted(self._read(live), key=lambda job: job.state is JobState.QUEUED)

    def waiting(self) -> int:
        """Return how many jobs are queued."""
        with self._database.glance() as connection:
            return connection.scalar(select(func.count()).where(JobRow.state == JobState.QUEUED)) or 0

    def _read(self, chosen: Select[JobRow]) -> list[Job]:
        """Return the jobs of a query; a torn one is replaced by a failed one."""
        with self._database.read() as session:
            return readable(
                lambda: list(map(job_record, session.scalars(chosen))),
                lambda: session.execute(chosen.with_only_columns(JobRow.id, JobRow.study_id, JobRow.owner)).all(),
                lambda row: [job_record(session.get_one(JobRow, row.id))],
                leases.torn_job,
            )

    def _lent(self, worker: str, lease: timedelta, per_owner: int | None, kinds: Collection[JobKind]) -> Job | None:
        now = self._clock()
        with self._database.write() as session:
            job_id = next_job(session, per_owner, kinds)
            if job_id is None:
                return None
            row = leases.job_row(session, job_id)
            take_turn(session, row)
            leases.lend(session, row, worker, until=now + lease, now=now)
            session.flush()
            job = job_record(row)
        self._begin(job, worker, now)
        return job

    def _set_aside(self, torn: leases.TornJobError) -> None:
        log.warning("%s", torn)
        with self._database.write() as session:
            leases.set_aside(session, torn, process=self._process, now=self._clock())

    def _begin(self, job: Job, worker: str, now: datetime) -> None:
        """Mark the study that waited for a run RUNNING: readers see that a worker has it."""
        if job.kind not in leases.RUNS:
            return
        with self._database.write() as session:
            study, _ = leases.held_job(session, job.id, worker)
            if study.state is StudyState.QUEUED:
                leases.move_study(session, study, StudyState.RUNNING, error=None, process=self._process, now=now)

    def _given_up(self, job_id: int, worker: str, change: Callable[[Session, JobRow, datetime], None]) -> Job:
        """Change a job that its worker has left, and let the study follow."""
        now = self._clock()
        with self._database.write() as session:
            study, row = leases.held_job(session, job_id, worker)
            change(session, row, now)
            quiet_for = now - study.updated_at
            leases.let_study_follow(session, study, row, process=self._process, quiet_for=quiet_for, now=now)
            session.flush()
            return job_record(row)

    def _lost(self) -> Sequence[int]:
        ran_out = (JobRow.state == JobState.RUNNING) & (JobRow.lease_until <= self._clock())
        with self._database.glance() as connection:
            return connection.scalars(select(JobRow.id).where(ran_out).order_by(JobRow.id)).all()

    def _recover(self, job_id: int) -> None:
        """Decide on a job whose lease ran out, unless another worker has, or its run lives on this host.

        A run on another host counts as dead whenever it last wrote: its lease says so.
        """
        now = self._clock()
        with self._database.write() as session:
            pair = leases.locked_job(session, job_id)
            if pair is None or not leases.is_lost(pair[1], now):
                return
            study, row = pair
            if row.kind in leases.RUNS and writes.what_keeps_study(study, self._process, quiet_for=QUIET):
                return
            lost = {"job": row.id, "kind": row.kind, "worker": row.worker, "attempt": row.attempts}
            leases.recover(session, row, now=now)
            append_event(session, study.id, LEASE, lost, now=now)  # both rows are locked already
            leases.let_study_follow(session, study, row, process=self._process, quiet_for=QUIET, now=now)
