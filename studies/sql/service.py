"""Everything the service keeps, in one database; steps that belong together share one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, Self

from sqlalchemy import select
from sqlalchemy.orm import Session

from studies.idempotency import StoredResponse
from studies.jobs import Job, JobKind
from studies.limits import OF_A_SERVICE, Limits
from studies.ownership import Owner
from studies.records import Study, StudyState
from studies.rules import utc_now
from studies.sql import leases, writes
from studies.sql.database import Database
from studies.sql.events import SqlEventLog, append_state
from studies.sql.idempotency import answer_to, hold_key, keep_answer
from studies.sql.jobs import SqlJobQueue
from studies.sql.keys import SqlKeyRing
from studies.sql.queries import is_named, study_by_id, study_records
from studies.sql.quotas import note_candidates, refuse_over
from studies.sql.reader import CandidateReader
from studies.sql.revisions import Revisions
from studies.sql.store import SqlStore
from studies.sql.tables import JobRow, StudyRow
from studies.sql.workers import SqlWorkers
from studies.store import StoreError, StudyBusyError, StudyNotFoundError


class SqlService:
    """The store, its events, the queue, the keys and the answers given. Threads may share one.

    `process` claims the studies.
    """

    def __init__(
        self, database: Database, *, clock: Callable[[], datetime] = utc_now, process: Owner | None = None
    ) -> None:
        self._process = process or Owner.of_this_process()
        self._clock = clock
        self.database = database
        self.store = SqlStore(database, clock=clock, owner=self._process)
        self.events = SqlEventLog(database, clock=clock)
        self.revisions = Revisions(database, self.store)
        self.jobs = SqlJobQueue(database, clock=clock, process=self._process)
        self.workers = SqlWorkers(database, clock=clock)
        self.keys = SqlKeyRing(database, clock=clock)

    @classmethod
    def open(cls, text: str, *, limits: Limits = OF_A_SERVICE) -> Self:
        """Open a database, made or brought up to date. Raises `StoreUnusableError`."""
        return cls(Database.open(text, limits=limits))

    def submit(
        self,
        slug: str,
        spec: Mapping[str, Any],
        *,
        owner: str | None = None,
        priority: int = 0,
        candidates: int = 0,
        idempotency_key: str | None = None,
        request_hash: str = "",
        context: Mapping[str, str] | None = None,
    ) -> Study:
        """Create a QUEUED study and the job that runs it; the same request again gives the same study, as it is now.

        `candidates` is how many the study may have: they count for its owner's quota. What is kept under the
        idempotency key is status 201 and `{"study": id}`. Raises `StudyExistsError`, `StudySlugError`,
        `OverQuotaError`, `BeyondQuotaError`, `IdempotencyConflictError`, and `StudyNotFoundError` where the study made
        is deleted.
        """
        now = self._clock()
        with self.database.write() as session:
            if idempotency_key is not None:
                hold_key(session, owner, idempotency_key)
                before = answer_to(session, owner, idempotency_key, request_hash, now=now)
                if before is not None:
                    return study_by_id(session, before.body["study"])
            refuse_over(session, owner, candidates=candidates, now=now)
            row = writes.new_study(slug, spec, owner=owner, state=StudyState.QUEUED, now=now)
            writes.add_study(session, row)
            note_candidates(session, row, candidates, now=now)
            leases.new_job(session, row.id, JobKind.RUN, {}, priority=priority, owner=owner, context=context, now=now)
            if idempotency_key is not None:
                answer = StoredResponse(status=HTTPStatus.CREATED, body={"study": row.id})
                keep_answer(session, owner, idempotency_key, request_hash, response=answer, now=now)
            append_state(session, row, now=now)
            return study_by_id(session, row.id)

    def requeue(
        self,
        study_id: int,
        payload: Mapping[str, Any],
        *,
        owner: str | None = None,
        priority: int = 0,
        context: Mapping[str, str] | None = None,
    ) -> Job:
        """Make a study QUEUED, its error forgotten, with a job that resumes it.

        Raises `StudyNotFoundError`, `OverQuotaError`, and `StudyBusyError` while it runs or waits already.
        """
        now = self._clock()
        with self.database.write() as session:
            study = writes.locked_study(session, study_id)
            writes.refuse_busy(study, self._process, now=now)
            _refuse_second_run(session, study)
            refuse_over(session, owner, now=now)
            job = leases.new_job(
                session, study_id, JobKind.RESUME, payload, priority=priority, owner=owner, context=context, now=now
            )
            leases.move_study(session, study, StudyState.QUEUED, error=None, process=self._process, now=now)
            return leases.job_record(job)

    def find(self, name: str) -> Study | None:
        """Return a study by slug or id, None if there is none; both take equally long."""
        with self.database.read() as session:
            return next(iter(study_records(session, is_named(name))), None)

    def has_study(self, study_id: int) -> bool:
        """Whether the study exists, or may exist: nobody can know while the database is away."""
        try:
            self.store.revision(str(study_id))
        except StudyNotFoundError:
            return False
        except StoreError:
            return True
        return True

    def reader(self, *, most: int) -> CandidateReader:
        """Return a reader that holds so many candidates at most."""
        return CandidateReader(self.database, most=most)

    def close(self) -> None:
        """Release connections; nothing of this is used afterwards."""
        self.revisions.close()
        self.database.close()


def _refuse_second_run(session: Session, study: StudyRow) -> None:
    is_live_run = JobRow.state.in_(leases.LIVE) & JobRow.kind.in_(leases.RUNS)
    job_id = session.scalar(select(JobRow.id).where(JobRow.study_id == study.id, is_live_run).limit(1))
    if job_id is not None:
        raise StudyBusyError(f"study {study.slug!r}: job {job_id} runs it or waits to; wait for it, or cancel it first")
