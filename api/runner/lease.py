"""A lease: a worker's claim to a job, renewed by a thread of its own while the job runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from threading import Event as Flag
from threading import Thread
from types import TracebackType
from typing import Self

from optimizer.logs import about, ids
from optimizer.progress import AbandonedError, CancelledError
from studies.jobs import Job, JobLostError, JobQueue
from studies.store import StoreError

BEATS = 3  # per lease, at least
BEAT_S = 1.0  # at most, for a beat also tells that the work was called off
log = logging.getLogger(__name__)


class Lease:
    """Keeps a job while the block runs. `check` is called now and then by the work itself, and stops it."""

    def __init__(
        self, jobs: JobQueue, job: Job, worker: str, *, lease_s: float, on_beat: Callable[[], None] = lambda: None
    ) -> None:
        self._jobs, self._job, self._worker, self._lease_s, self._on_beat = jobs, job, worker, lease_s, on_beat
        self._over, self._lost, self._cancelled = Flag(), Flag(), Flag()
        self._thread = Thread(target=self._renew, args=(ids(),), name=f"lease of job {job.id}", daemon=True)

    def __enter__(self) -> Self:
        """Begin to renew."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop renewing."""
        self._over.set()
        self._thread.join()

    def check(self, stopping: Flag) -> None:
        """Raise what stops the work: `CancelledError`, `AbandonedError`, or `KeyboardInterrupt` on shutdown."""
        if self._lost.is_set():
            raise AbandonedError(f"job {self._job.id} is another worker's by now")
        if self._cancelled.is_set():
            raise CancelledError
        if stopping.is_set():
            raise KeyboardInterrupt

    def _renew(self, names: Mapping[str, object]) -> None:
        with about(**names):
            self._beat()

    def _beat(self) -> None:
        while not self._over.wait(min(BEAT_S, self._lease_s / BEATS)):
            self._on_beat()
            try:
                if self._jobs.heartbeat(self._job.id, self._worker, lease_s=self._lease_s).cancel_requested:
                    self._cancelled.set()
            except JobLostError:
                self._lost.set()
                return
            except StoreError as error:  # the database is away; the lease tells how long that may last
                log.warning("job %d: %s", self._job.id, error)
