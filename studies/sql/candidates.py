"""Starting and finishing a candidate: the two writes of a search, each as few statements as it can be.

The first one counts the write, which locks the study, and returns what may forbid it: who has the study by now, and the
version of the tables. Rows are written as they are. The objects of a mapper would have the whole study read, with all
that it found out, to count one write to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, Row, Update, bindparam, exists, func, insert, literal, or_, select, update

from studies.records import Candidate, CandidateState, Claim, Outcome, Proposal
from studies.rules import (
    checked_outcome,
    finished_already,
    no_such_candidate,
    no_such_study,
    refuse_repetition,
    refuse_void,
)
from studies.sql.convert import new_record, outcome_values, proposal_values
from studies.sql.database import Database
from studies.sql.events import append_candidate
from studies.sql.queries import candidate_by_id, slugs
from studies.sql.schema import VERSION
from studies.sql.tables import Base, CandidateRow, MeasurementRow, StudyRow, VerificationRow
from studies.sql.writes import insert_measurements

_study, _candidate, _measurement, _verification = (
    Base.metadata.tables[row.__tablename__] for row in (StudyRow, CandidateRow, MeasurementRow, VerificationRow)
)
_is_study = _study.c.id == bindparam("study")
_of_study = _candidate.c.study_id == bindparam("study")
_is_it = _candidate.c.id == bindparam("candidate")
_is_same = _of_study & (_candidate.c.config == bindparam("config"))
_COUNT = (
    update(_study)
    .values(revision=_study.c.revision + 1, updated_at=bindparam("now"))
    .returning(_study.c.id, _study.c.revision, _study.c.claims, VERSION.scalar_subquery().label("version"))
)
_COUNT_START = _COUNT.where(_is_study)
_COUNT_FINISH = (
    _COUNT.values(results_revision=_study.c.revision + 1)
    .where(_study.c.id == select(_candidate.c.study_id).where(_is_it).scalar_subquery())
    .returning(select(_candidate.c.number).where(_is_it).scalar_subquery().label("number"))
)
_NEW = {"state": CandidateState.RUNNING, "seen": 0, "seconds": 0.0, "shortlisted": False}
_PROPOSED = ("config", "group_order", "origin", "parent", "coordinates")  # by `proposal_values`
_started = {
    "study_id": bindparam("study", type_=_candidate.c.study_id.type),
    "number": select(func.coalesce(func.max(_candidate.c.number) + 1, 0)).where(_of_study).scalar_subquery(),
    "revision": bindparam("counted", type_=_candidate.c.revision.type),
    "started_at": bindparam("now", type_=_candidate.c.started_at.type),
    **{name: bindparam(name, type_=_candidate.c[name].type) for name in _PROPOSED},
    **{name: literal(value, _candidate.c[name].type) for name, value in _NEW.items()},
}
_INSERT_UNLESS_SAME = (
    insert(_candidate)
    .from_select([*_started], select(*_started.values()).where(~exists().where(_is_same)))
    .returning(_candidate.c.id, _candidate.c.number)
)
_SAME = select(_candidate.c.id).where(_is_same)
_AGAIN = update(_candidate).where(_is_it).values(started_at=bindparam("now"), revision=bindparam("counted"))
_WAS_VERIFIED_OR_MEASURED = or_(
    exists().where(_measurement.c.candidate_id == bindparam("candidate"), _measurement.c.later),
    exists().where(_verification.c.candidate_id == bindparam("candidate")),
)
_FINISH = (
    update(_candidate)
    .where(_is_it, _candidate.c.state == CandidateState.RUNNING)
    .returning(*_candidate.c, _WAS_VERIFIED_OR_MEASURED.label("has_more"))
)
_STATE = select(_candidate.c.state).where(_is_it)


def start(database: Database, study_id: int, proposal: Proposal, *, now: datetime, claim: Claim | None) -> Candidate:
    """Return a candidate in flight: a new one, or the one of the same config.

    Raises `StudyNotFoundError`, `StudyLostError`, and `StoreError` where the candidate of this config is finished.
    """
    values = proposal_values(proposal)
    of_study = {"study": study_id, "now": now}
    with database.change() as connection:
        study = _counted(connection, database, _COUNT_START, of_study, claim)
        if study is None:
            raise no_such_study(study_id, slugs(connection))
        given = {**values, **of_study, "counted": study.revision}
        new = connection.execute(_INSERT_UNLESS_SAME, given).one_or_none()
        if new is not None:
            row = {**values, **_NEW, "study_id": study_id, "id": new.id, "number": new.number}
            return new_record(SimpleNamespace(**row))
        known = candidate_by_id(connection, connection.scalars(_SAME, given).one())
        refuse_repetition(known.number, known.state)
        connection.execute(_AGAIN, {"candidate": known.id, "now": now, "counted": study.revision})
        return known


def finish(database: Database, candidate_id: int, outcome: Outcome, *, now: datetime, claim: Claim | None) -> Candidate:
    """Record an outcome, once, and return the candidate.

    Raises `CandidateNotFoundError`, `StudyLostError`, and `StoreError` if the candidate is not RUNNING.
    """
    it = {"candidate": candidate_id}
    with database.change() as connection:
        study = _counted(connection, database, _COUNT_FINISH, it | {"now": now}, claim)
        if study is None:
            raise no_such_candidate(candidate_id)
        checked_outcome(outcome, number=study.number)
        changes = {**outcome_values(outcome), "revision": study.revision, "finished_at": now}
        row = connection.execute(_FINISH, changes | it).one_or_none()
        if row is None:
            raise finished_already(study.number, connection.scalars(_STATE, it).one())
        measured = insert_measurements(
            connection, outcome.measurements, study_id=study.id, candidate_id=candidate_id, later=False
        )
        append_candidate(connection, row, now=now)
        return candidate_by_id(connection, candidate_id) if row.has_more else new_record(row, measured)


def _counted(
    connection: Connection, database: Database, statement: Update, given: Mapping[str, object], claim: Claim | None
) -> Row[Any] | None:  # Any: the columns that `_COUNT` returns
    """Count a write to a study, which is locked until the transaction ends; None where there is no such study."""
    found = connection.execute(statement, given).one_or_none()
    if found is not None:
        database.refuse_newer(found.version)
        refuse_void(claim, found.id, found.claims)
    return found
