"""Who works in a database at this moment: studies that run, and jobs that are lent out.

It reads only columns that every version of the tables has had, so it can look before an upgrade.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, inspect, select

from studies.jobs import JobState
from studies.ownership import Owner, what_keeps
from studies.records import StudyState
from studies.sql.tables import JobRow, StudyRow


def what_is_open(connection: Connection, *, now: datetime) -> Sequence[str]:
    """Return one sentence per study that another live process runs, and per job whose lease has not run out."""
    here = Owner.of_this_process()
    return [*_running_studies(connection, here, now), *_leased_jobs(connection, now)]


def waiting_jobs(connection: Connection) -> int:
    """Return how many jobs wait for a worker."""
    return connection.scalar(select(func.count()).where(JobRow.state == JobState.QUEUED)) or 0


def _running_studies(connection: Connection, here: Owner, now: datetime) -> list[str]:
    columns = (StudyRow.slug, StudyRow.owner_host, StudyRow.owner_pid, StudyRow.owner_started, StudyRow.updated_at)
    running = select(*columns).where(StudyRow.state == StudyState.RUNNING).order_by(StudyRow.id)
    kept = []
    for slug, host, pid, started, updated_at in connection.execute(running):
        if host is None or pid is None or started is None:
            continue
        owner = Owner(host=host, pid=pid, started=started)
        why = what_keeps(owner, from_=here, quiet_for=now - updated_at)
        kept += [f"study {slug!r}: {why}"] if why else []
    return kept


def _leased_jobs(connection: Connection, now: datetime) -> list[str]:
    if not inspect(connection).has_table(JobRow.__tablename__):
        return []
    lent = select(JobRow.id, StudyRow.slug, JobRow.worker).join(StudyRow, StudyRow.id == JobRow.study_id)
    is_held = (JobRow.state == JobState.RUNNING) & (JobRow.lease_until > now)
    return [
        f"job {job} of study {slug!r}: worker {worker!r} has it; stop the worker first"
        for job, slug, worker in connection.execute(lent.where(is_held).order_by(JobRow.id))
    ]
