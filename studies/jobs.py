"""Work for the workers: a queue whose jobs are leased, and return to it when the lease runs out.

A worker claims a job for `lease_s` seconds and renews the lease while it works. One that is killed renews nothing, so
its job goes to the next who asks, as often in a row as the job allows without any progress of its study. A study
follows its run: queued while the job waits, running once a worker has it, failed or cancelled with it unless the study
has ended by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from studies.records import Claim
from studies.store import StoreError

MAX_ATTEMPTS = 3


class JobKind(StrEnum):
    """What a job is for."""

    RUN = "run"
    RESUME = "resume"
    EXPORT = "export"
    CERTIFY = "certify"


class JobState(StrEnum):
    """The state of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobNotFoundError(StoreError, LookupError):
    """No job has this id."""


class JobLostError(StoreError, RuntimeError):
    """The job is no longer this worker's: its lease ran out, it has ended, or its study is deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A piece of work on a study.

    `attempts` counts how often it was lent out since its study last made progress; `owner` is the id of an API key;
    `claims` are the study's as it was lent out; `context` is what the request that made it is called in logs and
    traces.
    """

    id: int
    study_id: int
    kind: JobKind
    payload: Mapping[str, Any]  # Any: JSON data
    state: JobState
    priority: int
    owner: str | None
    attempts: int
    max_attempts: int
    worker: str | None
    lease_until: datetime | None
    cancel_requested: bool
    error: str | None
    result: Any  # JSON data
    created_at: datetime
    started_at: datetime | None  # of the first attempt
    finished_at: datetime | None
    claims: int = 0
    context: Mapping[str, str] = field(default_factory=dict)

    @property
    def claim(self) -> Claim:
        """The claim to the study that goes with the job while it is a worker's."""
        return Claim(self.study_id, self.claims)


class JobQueue(Protocol):
    """Keeps jobs. A worker's name belongs to one process at a time; no job ever has two workers."""

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

        Raises `StudyNotFoundError`, and `OverQuotaError` where too many of its owner's wait.
        """

    def claim(
        self, worker: str, *, lease_s: float, per_owner: int | None = None, kinds: Collection[JobKind] = tuple(JobKind)
    ) -> Job | None:
        """Lease the job whose turn it is; None where nothing may start now.

        Owners take turns: the one with fewest jobs running comes first, of equals the one whose turn was longest ago,
        whatever became of the job it was given. Among the jobs of one owner the greater priority goes first, of equals
        the oldest.
        At most `per_owner` jobs of these kinds of one owner run at a time, or as many as the quota of its key says;
        jobs without an owner are not limited.
        A job whose lease ran out waits again, or has failed when that was its last attempt, or is cancelled where that
        was asked for; one whose study a live process of this host still runs stays as it is.
        """

    def heartbeat(self, job_id: int, worker: str, *, lease_s: float) -> Job:
        """Renew a lease; the job returned tells whether to stop (`cancel_requested`). Raises `JobLostError`."""

    def finish(
        self, job_id: int, worker: str, *, state: JobState, error: str | None = None, result: object = None
    ) -> Job:
        """End a job as done, failed or cancelled. Raises `JobLostError`."""

    def release(self, job_id: int, worker: str) -> Job:
        """Put a job back, the attempt not counted; one that was to be cancelled is. Raises `JobLostError`."""

    def request_cancel(self, study_id: int) -> bool:
        """Cancel what waits for a study, the study with it, and ask what runs to stop; False where nothing did.

        Raises `StudyNotFoundError`.
        """

    def job(self, job_id: int) -> Job:
        """Return a job. Raises `JobNotFoundError`."""

    def jobs(self, study_id: int) -> Sequence[Job]:
        """Return the jobs of a study, oldest first."""

    def exports(self, *, after: int | None, limit: int, owners: Collection[str] | None) -> Sequence[Job]:
        """Return at most `limit` exports, newest first, from below the id `after` on.

        Only those of studies of some owners, where these are given.
        """

    def live(self) -> Sequence[Job]:
        """Return all jobs that run, then all that wait: by priority, then age, though owners take turns."""

    def waiting(self) -> int:
        """Return how many jobs are queued."""
