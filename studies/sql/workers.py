"""Workers that report, so that people see whether any is alive. Leases alone decide on jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from studies.rules import utc_now
from studies.sql.database import Database
from studies.sql.tables import WorkerRow

FORGOTTEN = timedelta(minutes=10)  # after which a worker that said nothing is no longer listed


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRecord:
    """A worker that reported lately."""

    name: str
    started_at: datetime
    seen_at: datetime


class SqlWorkers:
    """Keeps which workers there are. Every method is one short transaction."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._database, self._clock = database, clock

    def seen(self, name: str) -> None:
        """Record that a worker is alive, and forget those that have long been silent."""
        now = self._clock()
        with self._database.write() as session:
            session.execute(delete(WorkerRow).where(WorkerRow.seen_at < now - FORGOTTEN))
            row = session.get(WorkerRow, name)
            if row is None:
                session.add(WorkerRow(name=name, started_at=now, seen_at=now))
            else:
                row.seen_at = now

    def gone(self, name: str) -> None:
        """Forget a worker that ends."""
        with self._database.write() as session:
            session.execute(delete(WorkerRow).where(WorkerRow.name == name))

    def all(self) -> Sequence[WorkerRecord]:
        """Return the workers that reported lately, oldest first."""
        recently = WorkerRow.seen_at >= self._clock() - FORGOTTEN
        with self._database.read() as session:
            rows = session.scalars(select(WorkerRow).where(recently).order_by(WorkerRow.started_at, WorkerRow.name))
            return [WorkerRecord(name=row.name, started_at=row.started_at, seen_at=row.seen_at) for row in rows]
