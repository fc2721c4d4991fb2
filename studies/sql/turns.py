"""Whose turn it is: owners share the workers, so that none keeps another waiting, whatever it submits."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Select, func, literal_column, or_, select
from sqlalchemy.orm import Session

from studies.jobs import JobKind, JobState
from studies.sql.locks import hold
from studies.sql.tables import ApiKeyRow, JobRow, TurnRow


def next_job(session: Session, per_owner: int | None, kinds: Collection[JobKind]) -> int | None:
    """Return the id of the job that may start first; one that another transaction holds is passed over.

    Owners take turns: the one who has fewest jobs running, of equals the one whose turn was longest ago. Priority and
    age decide among the jobs of one owner alone. So of any other owner at most one job starts before one that waits
    while nothing of its owner runs. An owner waits who has as many running as the quota of its key says, or else
    `per_owner`. Until the transaction ends nobody else finds a job: two who count at once would both find room, and
    both give the same owner its turn.
    """
    hold(session, "claims")
    running = (
        select(_owner().label("owner"), func.count().label("jobs"))
        .where(JobRow.state == JobState.RUNNING, JobRow.kind.in_(kinds))
        .group_by(_owner())
        .subquery()
    )
    turn = (
        select(TurnRow.owner, func.max(TurnRow.number).label("number"))
        .where(TurnRow.kind.in_(kinds))
        .group_by(TurnRow.owner)
        .subquery()
    )
    jobs, number = func.coalesce(running.c.jobs, 0), func.coalesce(turn.c.number, 0)
    most = ApiKeyRow.most_running if per_owner is None else func.coalesce(ApiKeyRow.most_running, per_owner)
    first: Select[int] = (
        select(JobRow.id)
        .outerjoin(running, running.c.owner == _owner())
        .outerjoin(turn, turn.c.owner == _owner())
        .outerjoin(ApiKeyRow, ApiKeyRow.id == JobRow.owner)
        .where(JobRow.state == JobState.QUEUED, JobRow.kind.in_(kinds))
        .where(or_(JobRow.owner.is_(None), most.is_(None), jobs < most))
        .order_by(jobs, number, JobRow.priority.desc(), JobRow.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=JobRow)
    )
    return session.scalar(first)


def take_turn(session: Session, job: JobRow) -> None:
    """Note that a job's owner had its turn. It counts however the job ends, and when its study is deleted."""
    latest = session.scalar(select(func.max(TurnRow.number))) or 0
    session.merge(TurnRow(owner=job.owner or "", kind=job.kind, number=latest + 1))


def _owner() -> ColumnElement[str]:
    return func.coalesce(JobRow.owner, literal_column("''"))  # a parameter would make each use another expression
