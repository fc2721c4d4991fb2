"""Starting and finishing a candidate: the two writes of a search, each as few statements as it can be.

In PostgreSQL that is one (`studies.sql.at_once`), and the transactions here serve where it changes nothing. Their first
statement counts the write, which locks the study, and returns what may forbid it: who has the study by now, and the
version of the tables. Rows are written as they are. The objects of a mapper would have the whole study read, with all
that it found out, to count one write to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, Row, Update, bindparam, exists, insert, select, update

from studies.records import Candidate, Claim, Outcome, Proposal
from studies.rules import (
    checked_outcome,
    finished_already,
    is_sound,
    no_such_candidate,
    no_such_study,
    refuse_repetition,
    refuse_void,
)
from studies.sql import at_once
from studies.sql.convert import measurement_values, new_record, outcome_values, proposal_values
from studies.sql.database import Database
from studies.sql.events import append_candidate
from studies.sql.parts import (
    CANDIDATES,
    COUNT,
    COUNT_RESULT,
    HAS_MORE,
    IS_IT,
    IS_RUNNING,
    IS_SAME,
    IS_STUDY,
    NEW,
    STUDIES,
    STUDY_OF,
    new_row,
)
from studies.sql.queries import candidate_by_id, slugs
from studies.sql.schema import VERSION
from studies.sql.writes import insert_measurements

_FOUND = (STUDIES.c.id, STUDIES.c.revision, STUDIES.c.claims, VERSION.scalar_subquery().label("version"))
_NUMBER = select(CANDIDATES.c.number).where(IS_IT).scalar_subquery().label("number")
_COUNT_START = COUNT.where(IS_STUDY).returning(*_FOUND)
_COUNT_FINISH = COUNT_RESULT.where(STUDIES.c.id == STUDY_OF.scalar_subquery()).returning(*_FOUND, _NUMBER)
_new = new_row(bindparam("counted", type_=CANDIDATES.c.revision.type))
_INSERT_UNLESS_SAME = (
    insert(CANDIDATES)
    .from_select([*_new], select(*_new.values()).where(~exists().where(IS_SAME)))
    .returning(CANDIDATES.c.id, CANDIDATES.c.number)
)
_SAME = select(CANDIDATES.c.id).where(IS_SAME)
_AGAIN = update(CANDIDATES).where(IS_IT).values(started_at=bindparam("now"), revision=bindparam("counted"))
_FINISH = update(CANDIDATES).where(IS_IT, IS_RUNNING).returning(*CANDIDATES.c, HAS_MORE.label("has_more"))
_STATE = select(CANDIDATES.c.state).where(IS_IT)


def start(database: Database, study_id: int, proposal: Proposal, *, now: datetime, claim: Claim | None) -> Candidate:
    """Return a candidate in flight: a new one, or the one of the same config.

    Raises `StudyNotFoundError`, `StudyLostError`, and `StoreError` where the candidate of this config is finished.
    """
    values = proposal_values(proposal)
    given = {**values, "study": study_id, "now": now}
    new = None if database.is_file else at_once.start(database, given, claim)
    if new is None:
        with database.change() as connection:
            study = _counted(connection, database, _COUNT_START, {"study": study_id, "now": now}, claim)
            if study is None:
                raise no_such_study(study_id, slugs(connection))
            counted = {"counted": study.revision}
            new = connection.execute(_INSERT_UNLESS_SAME, given | counted).one_or_none()
            if new is None:
                known = candidate_by_id(connection, connection.scalars(_SAME, given).one())
                refuse_repetition(known.number, known.state)
                connection.execute(_AGAIN, {"candidate": known.id, "now": now} | counted)
                return known
    return new_record(SimpleNamespace(**values, **NEW, study_id=study_id, id=new.id, number=new.number))


def finish(database: Database, candidate_id: int, outcome: Outcome, *, now: datetime, claim: Claim | None) -> Candidate:
    """Record an outcome, once, and return the candidate.

    Raises `CandidateNotFoundError`, `StudyLostError`, and `StoreError` if the candidate is not RUNNING.
    """
    it = {"candidate": candidate_id}
    changes = {**outcome_values(outcome), "finished_at": now}
    measured = [measurement_values(measurement) for measurement in outcome.measurements]
    if not database.is_file and is_sound(outcome):
        row = at_once.finish(database, changes | it, measured, claim)
        if row is not None:
            return new_record(row, measured)
    with database.change() as connection:
        study = _counted(connection, database, _COUNT_FINISH, it | {"now": now}, claim)
        if study is None:
            raise no_such_candidate(candidate_id)
        checked_outcome(outcome, number=study.number)
        row = connection.execute(_FINISH, {**changes, "revision": study.revision, **it}).one_or_none()
        if row is None:
            raise finished_already(study.number, connection.scalars(_STATE, it).one())
        insert_measurements(connection, measured, study_id=study.id, candidate_id=candidate_id, later=False)
        append_candidate(connection, row, now=now)
        return candidate_by_id(connection, candidate_id) if row.has_more else new_record(row, measured)


def _counted(
    connection: Connection, database: Database, statement: Update, given: Mapping[str, object], claim: Claim | None
) -> Row[Any] | None:  # Any: the columns of `_FOUND`
    """Count a write to a study, which is locked until the transaction ends; None where there is no such study."""
    found = connection.execute(statement, given).one_or_none()
    if found is not None:
        database.refuse_newer(found.version)
        refuse_void(claim, found.id, found.claims)
    return found
