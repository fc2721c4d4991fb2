"""A reader: the candidates of a study, each read again only after a write to it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

from sqlalchemy import bindparam, select

from studies.records import Candidate
from studies.sql.database import Database
from studies.sql.queries import CandidateQuery
from studies.sql.tables import CandidateRow, StudyRow

_REVISION = select(StudyRow.revision).where(StudyRow.id == bindparam("study"))
_WRITTEN = CandidateQuery((CandidateRow.study_id == bindparam("study")) & (CandidateRow.revision > bindparam("since")))


@dataclass(frozen=True, slots=True)
class _Held:
    """The candidates of a study at a revision, by id in number order."""

    revision: int = -1
    candidates: Mapping[int, Candidate] = field(default_factory=dict)


class CandidateReader:
    """Holds the candidates of the studies asked for last, `most` in all. Threads may share one."""

    def __init__(self, database: Database, *, most: int) -> None:
        self._database, self._most = database, most
        self._held: OrderedDict[int, _Held] = OrderedDict()
        self._lock = Lock()

    def candidates(self, study_id: int) -> Sequence[Candidate]:
        """Return all candidates of a study in number order, as they are now; none of a study that is not there."""
        with self._lock:
            held = self._held.get(study_id, _Held())
        with self._database.read(much=not held.candidates) as session:
            revision = session.scalar(_REVISION, {"study": study_id})
            if revision is None:
                return []
            written = _WRITTEN.records(session.connection(), study=study_id, since=held.revision)
        fresh = {candidate.id: candidate for candidate in written}
        now = _Held(revision, {**held.candidates, **fresh})  # new ones have the highest numbers, and come last
        self._keep(study_id, now)
        return [*now.candidates.values()]

    def _keep(self, study_id: int, now: _Held) -> None:
        with self._lock:
            self._held[study_id] = now
            self._held.move_to_end(study_id)
            while len(self._held) > 1 and sum(len(held.candidates) for held in self._held.values()) > self._most:
                self._held.popitem(last=False)
