"""Starting and finishing a candidate: the two writes of a search, each as few statements as it can be.

Rows are written as they are. The objects of a mapper would have the whole study read, with all that it found out, to
count one write to it.
"""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace

from sqlalchemy import bindparam, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session

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
from studies.sql.events import append_candidate
from studies.sql.queries import candidate_by_id, slugs
from studies.sql.tables import Base, CandidateRow, MeasurementRow, StudyRow, VerificationRow
from studies.sql.writes import insert_measurements

_study, _candidate, _measurement, _verification = (
    Base.metadata.tables[row.__tablename__] for row in (StudyRow, CandidateRow, MeasurementRow, VerificationRow)
)
_of_study = _candidate.c.study_id == bindparam("study")
_is_it = _candidate.c.id == bindparam("candidate")
_COUNT = (
    update(_study)
    .where(_study.c.id == bindparam("study"))
    .values(revision=_study.c.revision + 1, updated_at=bindparam("now"))
    .returning(_study.c.revision, _study.c.claims)
)
_COUNT_RESULT = _COUNT.values(results_revision=_study.c.revision + 1)
_LAST_AND_SAME = select(
    select(func.max(_candidate.c.number)).where(_of_study).scalar_subquery(),
    select(_candidate.c.id).where(_of_study, _candidate.c.config == bindparam("config")).scalar_subquery(),
)
_INSERT = insert(_candidate).returning(_candidate.c.id)
_AGAIN = update(_candidate).where(_is_it).values(started_at=bindparam("now"), revision=bindparam("counted"))
_WAS_VERIFIED_OR_MEASURED = or_(
    exists().where(_measurement.c.candidate_id == bindparam("candidate"), _measurement.c.later),
    exists().where(_verification.c.candidate_id == bindparam("candidate")),
)
_ROW = select(_candidate, _WAS_VERIFIED_OR_MEASURED.label("has_more")).where(_is_it)
_FINISH = update(_candidate).where(_is_it, _candidate.c.state == CandidateState.RUNNING)
_STATE = select(_candidate.c.state).where(_is_it)


def start(session: Session, study_id: int, proposal: Proposal, *, now: datetime, claim: Claim | None) -> Candidate:
    """Return a candidate in flight: a new one, or the one of the same config.

    Raises `StudyNotFoundError`, `StudyLostError`, and `StoreError` where the candidate of this config is finished.
    """
    connection = session.connection()
    revision = _counted(session, study_id, now, claim, is_result=False)
    values = proposal_values(proposal)
    last, same = connection.execute(_LAST_AND_SAME, {"study": study_id, "config": values["config"]}).one()
    if same is not None:
        known = candidate_by_id(session, same)
        refuse_repetition(known.number, known.state)
        connection.execute(_AGAIN, {"candidate": same, "now": now, "counted": revision})
        return known
    row = {
        **values,
        "study_id": study_id,
        "revision": revision,
        "number": 0 if last is None else last + 1,
        "state": CandidateState.RUNNING,
        "seen": 0,
        "seconds": 0.0,
        "shortlisted": False,
        "started_at": now,
    }
    return new_record(SimpleNamespace(id=connection.scalar(_INSERT, row), **row))


def finish(session: Session, candidate_id: int, outcome: Outcome, *, now: datetime, claim: Claim | None) -> Candidate:
    """Record an outcome, once, and return the candidate.

    Raises `CandidateNotFoundError`, `StudyLostError`, and `StoreError` if the candidate is not RUNNING.
    """
    connection, it = session.connection(), {"candidate": candidate_id}
    row = connection.execute(_ROW, it).one_or_none()
    if row is None:
        raise no_such_candidate(candidate_id)
    revision = _counted(session, row.study_id, now, claim, is_result=True)
    checked_outcome(outcome, number=row.number)
    changes = {**outcome_values(outcome), "revision": revision, "finished_at": now}
    if not connection.execute(_FINISH, changes | it).rowcount:
        raise finished_already(row.number, connection.scalars(_STATE, it).one())
    measured = insert_measurements(
        session, outcome.measurements, study_id=row.study_id, candidate_id=candidate_id, later=False
    )
    finished = SimpleNamespace(**dict(row._mapping) | changes)
    append_candidate(session, finished, now=now)
    if row.has_more:
        return candidate_by_id(session, candidate_id)
    return new_record(finished, measured)


def _counted(session: Session, study_id: int, now: datetime, claim: Claim | None, *, is_result: bool) -> int:
    """Count a write to a study, which is locked until the transaction ends, and return its new revision."""
    statement = _COUNT_RESULT if is_result else _COUNT
    found = session.connection().execute(statement, {"study": study_id, "now": now}).one_or_none()
    if found is None:
        raise no_such_study(study_id, slugs(session))
    refuse_void(claim, study_id, found.claims)
    return int(found.revision)
