"""Starting and finishing a candidate: the two writes of a search, each as few statements as it can be.

Rows are written as they are. The objects of a mapper would have the whole study read, with all that it found out, to
count one write to it.
"""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy import bindparam, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session

from studies.records import Candidate, CandidateState, Claim, Outcome, Proposal
from studies.rules import checked_outcome, no_such_candidate, no_such_study, refuse_repetition, refuse_void
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
_OF_CONFIG = select(_candidate.c.id, _candidate.c.number, _candidate.c.state).where(
    _of_study, _candidate.c.config == bindparam("config")
)
_LAST_NUMBER = select(func.max(_candidate.c.number)).where(_of_study)
_INSERT = insert(_candidate).returning(_candidate.c.id)
_AGAIN = update(_candidate).where(_is_it).values(started_at=bindparam("now"), revision=bindparam("counted"))
_STUDY_OF = select(_candidate.c.study_id).where(_is_it)
_ROW = select(_candidate).where(_is_it)
_FINISH = update(_candidate).where(_is_it)
_WAS_VERIFIED_OR_MEASURED = select(
    or_(
        exists().where(_measurement.c.candidate_id == bindparam("candidate"), _measurement.c.later),
        exists().where(_verification.c.candidate_id == bindparam("candidate")),
    )
)


def start(session: Session, study_id: int, proposal: Proposal, *, now: datetime, claim: Claim | None) -> Candidate:
    """Return a candidate in flight: a new one, or the one of the same config.

    Raises `StudyNotFoundError`, `StudyLostError`, and `StoreError` where the candidate of this config is finished.
    """
    connection = session.connection()
    revision = _counted(session, study_id, now, claim, is_result=False)
    values = proposal_values(proposal)
    known = connection.execute(_OF_CONFIG, {"study": study_id, "config": values["config"]}).one_or_none()
    if known is not None:
        refuse_repetition(known.number, known.state)
        connection.execute(_AGAIN, {"candidate": known.id, "now": now, "counted": revision})
        return candidate_by_id(session, known.id)
    last = connection.scalar(_LAST_NUMBER, {"study": study_id})
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
    study_id = connection.scalar(_STUDY_OF, it)
    if study_id is None:
        raise no_such_candidate(candidate_id)
    revision = _counted(session, study_id, now, claim, is_result=True)
    row: dict[str, Any] = dict(connection.execute(_ROW, it).one()._mapping)  # read under the lock
    checked_outcome(outcome, number=row["number"], state=row["state"])
    changes = {**outcome_values(outcome), "revision": revision, "finished_at": now}
    connection.execute(_FINISH, changes | it)
    measured = insert_measurements(
        session, outcome.measurements, study_id=study_id, candidate_id=candidate_id, later=False
    )
    finished = SimpleNamespace(**row | changes)
    append_candidate(session, finished, now=now)
    if connection.scalar(_WAS_VERIFIED_OR_MEASURED, it):
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
