"""What may go: studies that nobody has touched for long; and the room that deleted rows leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select, text

from studies.records import Study, StudyState
from studies.rules import utc_now
from studies.sql.checking import size_of
from studies.sql.database import Database
from studies.sql.engine import glancing
from studies.sql.failures import explained
from studies.sql.leases import LIVE
from studies.sql.queries import study_records
from studies.sql.tables import JobRow, PurchaseRow, StudyRow
from studies.standing import as_it_stands

_BUSY = (StudyState.QUEUED, StudyState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retained:
    """The studies that may go, oldest first, and of those as old the ones that stay, each with the reason."""

    may_go: Sequence[Study]
    stay: Mapping[str, str]


def stale(url: str, older_than: timedelta) -> Retained:
    """Say which studies nothing was written to for so long. Labels are bought, so what they certify stays."""
    with closing(Database.open(url, read_only=True)) as database, database.read() as session:
        old = study_records(session, StudyRow.updated_at < utc_now() - older_than)
        with_labels = set(session.scalars(select(PurchaseRow.study_id)))
        at_work = set(session.scalars(select(JobRow.study_id).where(JobRow.state.in_(LIVE))))
    stay = {study.slug: why for study in old if (why := _why_kept(study, with_labels, at_work))}
    return Retained(may_go=[study for study in reversed(old) if study.slug not in stay], stay=stay)


def _why_kept(study: Study, with_labels: set[int], at_work: set[int]) -> str | None:
    state = as_it_stands(study).state
    if state in _BUSY or study.id in at_work:
        return "it runs, or jobs of it wait"
    return "labels were bought for it; delete it by name" if study.id in with_labels else None


def vacuum(url: str) -> tuple[int, int]:
    """Give the room of deleted rows back, and return the bytes before and after. Writers wait meanwhile."""
    with (
        closing(Database.open(url)) as database,
        explained(database.url),
        glancing(database.engine).connect() as connection,
    ):
        before = size_of(connection)
        connection.execute(text("VACUUM"))
        if database.is_file:
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        return before, size_of(connection)
