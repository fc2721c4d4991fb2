"""A reader: the candidates of a study again and again, each read anew only where a write has touched it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from studies.records import Candidate, CandidateState
from studies.sql.database import Database
from studies.sql.queries import candidate_records
from studies.sql.tables import CandidateRow, MeasurementRow, VerificationRow

NAMED_AT_ONCE = 500  # of changed candidates; where there are more the whole study is read


@dataclass(frozen=True, slots=True)
class Mark:
    """What changes with every write to a candidate: an outcome is written once, measurements are only ever added."""

    state: CandidateState
    finished_at: datetime | None
    is_shortlisted: bool
    is_verified: bool
    measurements: int


Marked = Mapping[int, tuple[Mark, Candidate]]  # by id, in number order


class CandidateReader:
    """Holds the candidates of the studies asked for last, `most` in all. Threads may share one."""

    def __init__(self, database: Database, *, most: int) -> None:
        self._database, self._most = database, most
        self._held: OrderedDict[int, Marked] = OrderedDict()
        self._lock = Lock()

    def candidates(self, study_id: int) -> Sequence[Candidate]:
        """Return all candidates of a study in number order, as they are now; none of a study that is not there."""
        with self._lock:
            held = self._held.get(study_id, {})
        with self._database.read() as session:
            marks = _marks(session, study_id)
            fresh = _read(session, study_id, [i for i, mark in marks.items() if i not in held or held[i][0] != mark])
        now = {i: (mark, fresh[i] if i in fresh else held[i][1]) for i, mark in marks.items()}
        self._keep(study_id, now)
        return [candidate for _, candidate in now.values()]

    def _keep(self, study_id: int, now: Marked) -> None:
        with self._lock:
            self._held[study_id] = now
            self._held.move_to_end(study_id)
            while len(self._held) > 1 and sum(map(len, self._held.values())) > self._most:
                self._held.popitem(last=False)


_MEASUREMENTS = (
    select(MeasurementRow.candidate_id, func.count().label("measurements"))
    .where(MeasurementRow.study_id == bindparam("study_id"))
    .group_by(MeasurementRow.candidate_id)
    .subquery()
)
_MARKS = (  # made once: read by every request for the front of a study that runs
    select(
        CandidateRow.id,
        CandidateRow.state,
        CandidateRow.finished_at,
        CandidateRow.shortlisted,
        VerificationRow.candidate_id.is_not(None),
        func.coalesce(_MEASUREMENTS.c.measurements, 0),
    )
    .outerjoin(VerificationRow, VerificationRow.candidate_id == CandidateRow.id)
    .outerjoin(_MEASUREMENTS, _MEASUREMENTS.c.candidate_id == CandidateRow.id)
    .where(CandidateRow.study_id == bindparam("study_id"))
    .order_by(CandidateRow.number)
)


def _marks(session: Session, study_id: int) -> dict[int, Mark]:
    return {i: Mark(*mark) for i, *mark in session.execute(_MARKS, {"study_id": study_id})}


def _read(session: Session, study_id: int, ids: Sequence[int]) -> dict[int, Candidate]:
    if not ids:
        return {}
    named = CandidateRow.id.in_(ids) if len(ids) <= NAMED_AT_ONCE else CandidateRow.study_id == study_id
    return {candidate.id: candidate for candidate in candidate_records(session, named)}
