"""Events in SQL: numbered in the order in which their transactions end.

A database numbers rows in the order they are inserted and shows them in the order of commits, so a reader could see 8,
continue there, and never see a 7 that commits late. Hence every writer of an event first takes a lock, and keeps it
until its transaction has ended. To wait for that lock holding others is safe, to wait for others holding that lock is
not: an event is the last thing its transaction writes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, CursorResult, Row, Select, bindparam, delete, func, insert, select
from sqlalchemy.orm import Session

from studies.events import CANDIDATE, STATE, TORN, StudyEvent
from studies.records import Claim
from studies.rules import LARGEST_SEQUENCE, json_data, readable_data, text_data, utc_now
from studies.sql.convert import UNKNOWN
from studies.sql.database import Database
from studies.sql.locks import hold, lock
from studies.sql.tables import Base, EventRow, StudyRow
from studies.sql.torn import readable
from studies.sql.writes import locked_study

_event = Base.metadata.tables[EventRow.__tablename__]
_given = [_event.c[name] for name in ("study_id", "kind", "data", "created_at")]
_INSERT = insert(_event)  # these are made once: run for every candidate
_INSERT_LOCKED = _INSERT.from_select(
    _given, select(*(bindparam(column.name, type_=column.type) for column in _given)).select_from(lock("events"))
)  # a row gets its number when there is one, which is once the lock is held


def append_event(session: Session, study_id: int, kind: str, data: Mapping[str, Any], *, now: datetime) -> EventRow:
    """Add an event of a study that is locked, as the last write of the transaction."""
    session.flush()
    hold(session, "events")
    row = EventRow(
        study_id=study_id, kind=text_data(kind), data=json_data(data, field=f"data of event {kind!r}"), created_at=now
    )
    session.add(row)
    session.flush()
    return row


def append_state(session: Session, row: StudyRow, *, now: datetime) -> None:
    """Report a study's state, as the last write of the transaction."""
    append_event(session, row.id, STATE, {"state": row.state, "error": row.error}, now=now)


def append_candidate(
    connection: Connection, row: Row[Any], *, now: datetime
) -> None:  # Any: the columns of `CandidateRow`
    """Report that a candidate is finished, as the last write of the transaction."""
    data = {"number": row.number, **told_of(row._asdict())}
    written = {"study_id": row.study_id, "kind": CANDIDATE, "data": data, "created_at": now}
    connection.execute(_INSERT_LOCKED if connection.dialect.name == "postgresql" else _INSERT, written)


def told_of(outcome: Mapping[str, Any]) -> dict[str, Any]:  # Any: JSON data
    """Return what an event tells of an outcome, given by its columns, besides the candidate's number."""
    drop = outcome["drop"]
    is_told = drop is not None and math.isfinite(drop)  # JSON has no infinity
    return {"state": outcome["state"], "drop": drop if is_told else None, "seen": outcome["seen"]}


class SqlEventLog:
    """An `EventLog` in a SQL database."""

    def __init__(
        self, database: Database, *, clock: Callable[[], datetime] = utc_now, claim: Claim | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._claim = claim

    def under(self, claim: Claim) -> SqlEventLog:
        """Return this log for the holder of a claim: what it adds to that study is refused once the claim is void."""
        return SqlEventLog(self._database, clock=self._clock, claim=claim)

    def append(self, study_id: int, kind: str, data: Mapping[str, Any]) -> StudyEvent:
        """Add an event. Raises `StudyNotFoundError`, `StudyLostError`, and `StoreError` for what JSON cannot hold."""
        with self._database.write() as session:
            locked_study(session, study_id, self._claim)
            return _record(append_event(session, study_id, kind, data, now=self._clock()))

    def after(self, sequence: int, *, limit: int, study_id: int | None = None) -> Sequence[StudyEvent]:
        """Return at most `limit` events of a greater sequence, ascending, of one study or of all."""
        following = select(*EventRow.__table__.c).where(EventRow.sequence > min(sequence, LARGEST_SEQUENCE))
        if study_id is not None:
            following = following.where(EventRow.study_id == study_id)
        return self._read(following.order_by(EventRow.sequence).limit(limit))

    def recent(
        self, study_id: int, *, limit: int, kind: str | None = None, before: int | None = None
    ) -> Sequence[StudyEvent]:
        """Return at most `limit` events of a study, newest first, of one kind and below a sequence where given."""
        chosen = select(*EventRow.__table__.c).where(EventRow.study_id == study_id)
        if kind is not None:
            chosen = chosen.where(EventRow.kind == kind)
        if before is not None:
            chosen = chosen.where(EventRow.sequence < min(before, LARGEST_SEQUENCE))
        return self._read(chosen.order_by(EventRow.sequence.desc()).limit(limit))

    def latest(self) -> int:
        """Return the greatest sequence that is kept, 0 where none is."""
        with self._database.glance() as connection:
            return connection.scalar(select(func.max(EventRow.sequence))) or 0

    def prune(self, *, older_than: datetime, keep_last: int) -> int:
        """Delete the events from before a moment, except the last `keep_last` of all; return how many went."""
        may_go = EventRow.sequence <= _from_the_end(keep_last).scalar_subquery()
        with self._database.write() as session:
            gone = session.execute(delete(EventRow).where(EventRow.created_at < older_than, may_go))
            return gone.rowcount if isinstance(gone, CursorResult) else 0

    def _read(self, chosen: Select[Any]) -> list[StudyEvent]:  # Any: the columns of an event
        """Return the events of a query, one of the kind "torn" in place of each that cannot be read."""
        with self._database.glance() as connection:
            return readable(
                lambda: [_record(row) for row in connection.execute(chosen)],
                lambda: connection.execute(chosen.with_only_columns(EventRow.sequence, EventRow.study_id)),
                lambda row: [_record(connection.execute(_EVENT, {"sequence": row.sequence}).one())],
                _torn,
            )


_EVENT = select(*EventRow.__table__.c).where(EventRow.sequence == bindparam("sequence"))


def _torn(row: Any, why: str) -> StudyEvent:  # Any: the columns that are read
    return StudyEvent(sequence=row.sequence, study_id=row.study_id, kind=TORN, data={"error": why}, created_at=UNKNOWN)


def _from_the_end(skipped: int) -> Select[int]:
    return select(EventRow.sequence).order_by(EventRow.sequence.desc()).offset(skipped).limit(1)


def _record(row: Any) -> StudyEvent:  # Any: an `EventRow`, or a row of its columns
    if not isinstance(row.data, Mapping):
        raise TypeError("what happened must be an object")
    return StudyEvent(
        sequence=row.sequence,
        study_id=row.study_id,
        kind=row.kind,
        data=readable_data(row.data),
        created_at=row.created_at,
    )
