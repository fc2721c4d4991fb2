"""A worker: takes one job after the other, holds its lease while it runs, and stops when it is told to.

What it does is in the database at every moment, so killing it loses at most the candidate in flight: when the lease
runs out another worker goes on where it was.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Flag
from uuid import uuid4

from api.runner.lease import Lease
from api.runner.reporter import Reporter
from optimizer.progress import AbandonedError, CancelledError, Event
from studies.jobs import Job, JobKind, JobState
from studies.sql.service import SqlService
from studies.store import StoreError, StoreUnusableError, StudyBusyError

POLL_S = 1.0
log = logging.getLogger(__name__)
Work = Callable[[Job, Callable[[Event], None]], dict[str, object] | None]


def worker_name() -> str:
    """Return a name that no other worker has."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"


@dataclass
class Worker:
    """Runs jobs until `stopping` is set."""

    service: SqlService
    cache_dir: Path
    artifacts: Path
    lease_s: float = 30.0
    per_owner: int | None = None
    name: str = field(default_factory=worker_name)
    stopping: Flag = field(default_factory=Flag)

    def run(self, *, until_idle: bool = False) -> None:
        """Take jobs until told to stop, or until there is none left."""
        while not self.stopping.is_set():
            try:
                job = self.service.jobs.claim(self.name, lease_s=self.lease_s, per_owner=self.per_owner)
                if job is not None:
                    self._take(job)
            except StoreError as error:  # a job in hand is taken up again when its lease runs out
                log.warning("the database failed; trying again: %s", error)
                job = None
            if job is None and until_idle:
                return
            if job is None:
                self.stopping.wait(POLL_S)

    def _take(self, job: Job) -> None:
        log.info("job %d: %s of study %d, attempt %d", job.id, job.kind, job.study_id, job.attempts)
        with Lease(self.service.jobs, job, self.name, lease_s=self.lease_s) as lease:
            try:
                result = self._work(job, self._listener(job, lease))
            except AbandonedError as error:
                log.warning("%s", error)
            except KeyboardInterrupt:
                self.service.jobs.release(job.id, self.name)
                self.stopping.set()
            except StudyBusyError as error:
                log.warning("job %d waits: %s", job.id, error)
                self.service.jobs.release(job.id, self.name)
                self.stopping.wait(10 * POLL_S)
            except CancelledError:
                self.service.jobs.finish(job.id, self.name, state=JobState.CANCELLED)
            except StoreUnusableError:
                raise
            except Exception as error:  # a worker outlives any study; the reason is kept with the job
                log.exception("job %d failed", job.id)
                self.service.jobs.finish(
                    job.id, self.name, state=JobState.FAILED, error=f"{type(error).__name__}: {error}"
                )
            else:
                self.service.jobs.finish(job.id, self.name, state=JobState.DONE, result=result)

    def _listener(self, job: Job, lease: Lease) -> Callable[[Event], None]:
        report = Reporter(self.service.events, job.study_id)

        def listen(event: Event) -> None:
            lease.check(self.stopping)
            report(event)

        return listen

    def _work(self, job: Job, listener: Callable[[Event], None]) -> dict[str, object] | None:
        from api.runner.work import export, run_study  # torch is loaded when there is something to do

        if job.kind is JobKind.EXPORT:
            return export(job, self.service.store, cache_dir=self.cache_dir, artifacts=self.artifacts)
        run_study(job, self.service.store, cache_dir=self.cache_dir, listener=listener)
        return None
