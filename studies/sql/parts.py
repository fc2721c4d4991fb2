"""The parts of the two writes of a search, of which a transaction or a single statement is made."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, bindparam, exists, func, literal, or_, select, update

from studies.records import CandidateState
from studies.sql.tables import Base, CandidateRow, EventRow, MeasurementRow, StudyRow, VerificationRow

STUDIES, CANDIDATES, MEASUREMENTS, EVENTS, _verifications = (
    Base.metadata.tables[row.__tablename__]
    for row in (StudyRow, CandidateRow, MeasurementRow, EventRow, VerificationRow)
)
IS_STUDY = STUDIES.c.id == bindparam("study")
OF_STUDY = CANDIDATES.c.study_id == bindparam("study")
IS_IT = CANDIDATES.c.id == bindparam("candidate")
IS_SAME = OF_STUDY & (CANDIDATES.c.config == bindparam("config"))
IS_RUNNING = CANDIDATES.c.state == CandidateState.RUNNING
STUDY_OF = select(CANDIDATES.c.study_id).where(IS_IT)
COUNT = update(STUDIES).values(revision=STUDIES.c.revision + 1, updated_at=bindparam("now"))
COUNT_RESULT = COUNT.values(results_revision=STUDIES.c.revision + 1)
HAS_MORE = or_(
    exists().where(MEASUREMENTS.c.candidate_id == bindparam("candidate"), MEASUREMENTS.c.later),
    exists().where(_verifications.c.candidate_id == bindparam("candidate")),
)  # it was verified, or measured later, before it was reopened
NEW = {"state": CandidateState.RUNNING, "seen": 0, "seconds": 0.0, "shortlisted": False}
PROPOSED = ("config", "group_order", "origin", "parent", "coordinates")  # by `proposal_values`
OUTCOME = ("state", "drop", "seen", "lost", "gained", "reason", "seconds", "finished_at")  # by `outcome_values`


def new_row(revision: ColumnElement[int]) -> dict[str, ColumnElement[Any]]:
    """Return the columns of a new candidate: of the parameters "study", "now" and `PROPOSED`, and of constants."""
    of = CANDIDATES.c
    return {
        "study_id": bindparam("study", type_=of.study_id.type),
        "number": select(func.coalesce(func.max(of.number) + 1, 0)).where(OF_STUDY).scalar_subquery(),
        "revision": revision,
        "started_at": bindparam("now", type_=of.started_at.type),
        **{name: bindparam(name, type_=of[name].type) for name in PROPOSED},
        **{name: literal(value, of[name].type) for name, value in NEW.items()},
    }
