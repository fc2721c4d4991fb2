"""A worker: takes one job at a time, holds its lease while it runs, and stops on request.

All its work is in the database, so killing it loses at most the candidate in flight: when the lease runs out,
another worker resumes there.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event as Flag
from uuid import uuid4

from opentelemetry.trace import TracerProvider

from api.runner.lease import Lease
from api.runner.reporter import Reporter
from api.runner.traced import job_span, note_failure, staged
from api.tracing import NO_TRACES
from optimizer.engine import ALONE, Engine
from optimizer.logs import REQUEST, about
from optimizer.progress import AbandonedError, CancelledError, Event
from studies.jobs import Job, JobKind, JobLostError, JobState
from studies.sql.service import SqlService
from studies.store import (
    StoreError,
    StoreNewerError,
    StoreUnavailableError,
    StoreUnusableError,
    StudyBusyError,
    StudyLostError,
)

POLL_S = 1.0
SAYING_S = 10.0  # between two words of an idle worker that it is there
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
    kinds: Sequence[JobKind] = tuple(JobKind)
    roots: Sequence[Path] | None = None  # local models and data must be below one of these; None: anywhere
    engine: Engine = ALONE
    tracers: TracerProvider = NO_TRACES
    alive: Path | None = None  # a file that is touched every second or so
    name: str = field(default_factory=worker_name)
    stopping: Flag = field(default_factory=Flag)
    _said_at: float = float("-inf")

    def run(self, *, until_idle: bool = False) -> None:
        """Take jobs until told to stop, or until none is left. Raises `StoreNewerError`."""
        try:
            while not self.stopping.is_set():
                self._say_alive()
                job = self._next()
                if job is not None:
                    self._take(job)
                elif until_idle:
                    return
                else:
                    self.stopping.wait(POLL_S)
        finally:
            self._leave()

    def _leave(self) -> None:
        try:
            self.service.workers.gone(self.name)
        except StoreError as error:
            log.warning("the database failed; this worker is listed for a while: %s", error)

    def _say_alive(self) -> None:
        try:
            if self.alive is not None:
                self.alive.touch()
        except OSError as error:
            log.warning("nobody is told that this worker lives: %s", error)

    def _next(self) -> Job | None:
        try:
            if time.monotonic() - self._said_at >= SAYING_S:
                self.service.workers.seen(self.name)
                self._said_at = time.monotonic()
            return self.service.jobs.claim(self.name, lease_s=self.lease_s, per_owner=self.per_owner, kinds=self.kinds)
        except StoreNewerError:
            raise
        except StoreError as error:
            log.warning("the database failed; trying again: %s", error)
            return None

    def _take(self, job: Job) -> None:
        asked = {REQUEST: job.context[REQUEST]} if REQUEST in job.context else {}  # else from before they were kept
        with about(**asked, job=job.id, study=job.study_id), job_span(self.tracers, job):
            self._run(job)

    def _run(self, job: Job) -> None:
        log.info("job %d: %s of study %d, attempt %d", job.id, job.kind, job.study_id, job.attempts)
        with Lease(self.service.jobs, job, self.name, lease_s=self.lease_s, on_beat=self._say_alive) as lease:
            try:
                with staged(self.tracers, self._listener(job, lease)) as listener:
                    result = self._work(job, listener)
            except (AbandonedError, StudyLostError) as error:
                log.info("job %d is left alone: %s", job.id, error)
                self._give_back(job)
            except KeyboardInterrupt:
                self.stopping.set()
                self._give_back(job)
            except StudyBusyError as error:
                log.warning("job %d waits: %s", job.id, error)
                self._give_back(job)
                self.stopping.wait(10 * POLL_S)
            except (StoreUnavailableError, StoreUnusableError) as error:  # never the study's fault
                log.warning("job %d waits for the database: %s", job.id, error)
                self._give_back(job)
            except CancelledError:
                self._end(job, JobState.CANCELLED)
            except Exception as error:  # a worker outlives any study; the reason is kept with the job
                log.exception("job %d failed", job.id)
                note_failure(error)
                self._end(job, JobState.FAILED, error=f"{type(error).__name__}: {error}")
            else:
                self._end(job, JobState.DONE, result=result)

    def _give_back(self, job: Job) -> None:
        self._tell(job, partial(self.service.jobs.release, job.id, self.name))

    def _end(self, job: Job, state: JobState, *, error: str | None = None, result: object = None) -> None:
        self._tell(job, partial(self.service.jobs.finish, job.id, self.name, state=state, error=error, result=result))

    def _tell(self, job: Job, write: Callable[[], Job]) -> None:
        """Write the outcome of a job, as soon as the database answers, unless the job now belongs to another worker.

        A worker that is told to stop tries once; the expired lease does the rest.
        """
        while True:
            try:
                write()
                return
            except JobLostError as error:
                log.info("%s", error)
                return
            except StoreNewerError:
                raise
            except StoreError as error:
                log.warning("job %d: what became of it is not written yet: %s", job.id, error)
            if self.stopping.wait(POLL_S):
                return

    def _listener(self, job: Job, lease: Lease) -> Callable[[Event], None]:
        report = Reporter(self.service.events.under(job.claim), job.study_id)

        def listen(event: Event) -> None:
            lease.check(self.stopping)
            report(event)

        return listen

    def _work(self, job: Job, listener: Callable[[Event], None]) -> dict[str, object] | None:
        from api.runner.work import certify, export, run_study  # torch is loaded when there is something to do

        store, cache_dir, roots = self.service.store, self.cache_dir, self.roots
        match job.kind:
            case JobKind.EXPORT:
                return export(job, store, cache_dir=cache_dir, artifacts=self.artifacts, roots=roots)
            case JobKind.CERTIFY:
                return certify(
                    job, store, cache_dir=cache_dir, artifacts=self.artifacts, listener=listener, roots=roots
                )
            case _:
                run_study(job, store, cache_dir=cache_dir, listener=listener, roots=roots, engine=self.engine)
                return None
