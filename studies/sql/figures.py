"""Figures of the queue for those who watch a service: a few counts, each by an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, case, extract, func, select

from studies.events import CANDIDATE
from studies.jobs import JobState
from studies.sql.database import Database
from studies.sql.tables import IS_LEASE, EventRow, JobRow

AGES_S = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 6 * 3600.0, 24 * 3600.0)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The queue at one moment.

    `ages` are how many jobs wait for at most each of `AGES_S`; `age_sum_s` is the sum of all waiting jobs' ages.
    """

    waiting: int
    running: int
    ages: Sequence[int]
    age_sum_s: float
    candidates_in_a_minute: int
    leases_lost_in_an_hour: int


def figures(database: Database, *, now: datetime) -> Figures:
    """Return the figures as they are now."""
    young = [func.count(case((JobRow.created_at >= now - timedelta(seconds=age), 1))) for age in AGES_S]
    waits = JobRow.state == JobState.QUEUED
    of_the_queue = select(func.count(), func.sum(extract("epoch", JobRow.created_at)), *young).where(waits)
    running = select(func.count()).where(JobRow.state == JobState.RUNNING)
    with database.read() as session:
        waiting, born, *ages = session.execute(of_the_queue).one()
        return Figures(
            waiting=waiting,
            running=session.scalar(running) or 0,
            ages=ages,
            age_sum_s=max(0.0, waiting * now.timestamp() - float(born or 0)),
            candidates_in_a_minute=session.scalar(_since(now - MINUTE).where(EventRow.kind == CANDIDATE)) or 0,
            leases_lost_in_an_hour=session.scalar(_since(now - HOUR).where(IS_LEASE)) or 0,
        )


def _since(moment: datetime) -> Select[int]:
    return select(func.count()).where(EventRow.created_at >= moment)
