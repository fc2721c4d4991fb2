"""A reader: the candidates of a study again and again, each read anew only where a write has touched it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from sqlalchemy import func, select
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


def _marks(session: Session, study_id: int) -> dict[int, Mark]:
    of_study = select(CandidateRow.id).where(CandidateRow.study_id == study_id)
    counted = select(MeasurementRow.candidate_id, func.count()).where(MeasurementRow.study_id == study_id)
    measurements = {row[0]: row[1] for row in session.execute(counted.group_by(MeasurementRow.candidate_id))}
    verified = set(
        session.scalars(select(VerificationRow.candidate_id).where(VerificationRow.candidate_id.in_(of_study)))
    )
    columns = (CandidateRow.id, CandidateRow.state, CandidateRow.finished_at, CandidateRow.shortlisted)
    in_order = select(*columns).where(CandidateRow.study_id == study_id).order_by(CandidateRow.number)
    return {
        i: Mark(state, finished_at, is_shortlisted, i in verified, measurements.get(i, 0))
        for i, state, finished_at, is_shortlisted in session.execute(in_order)
    }


def _read(session: Session, study_id: int, ids: Sequence[int]) -> dict[int, Candidate]:
    if not ids:
        return {}
    named = CandidateRow.id.in_(ids) if len(ids) <= NAMED_AT_ONCE else CandidateRow.study_id == study_id
    return {candidate.id: candidate for candidate in candidate_records(session, named)}
