"""Reading records: five queries for any number of studies, three for any number of candidates."""

from __future__ import annotations

from collections import defaultdict, namedtuple
from collections.abc import Collection, Mapping
from operator import attrgetter
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Text, and_, bindparam, false, func, select, true, type_coerce
from sqlalchemy.orm import Session

from objectives.measurement import Measurement
from studies.collecting import without_collecting
from studies.records import Candidate, Revision, Study, StudyState
from studies.rules import LARGEST_ID, could_be_slug, id_in, no_such_candidate, no_such_study, text_data
from studies.sql import guests
from studies.sql.convert import MEASURED, candidate_record, read_measurement, study_record, torn_candidate, torn_study
from studies.sql.tables import CandidateRow, MeasurementRow, StageSecondsRow, StudyRow, TagRow, VerificationRow
from studies.sql.torn import readable

Condition = ColumnElement[bool]


_SECONDS = select(StageSecondsRow).where(StageSecondsRow.study_id.in_(bindparam("ids", expanding=True)))
_TAGS = select(TagRow).where(TagRow.study_id.in_(bindparam("ids", expanding=True))).order_by(TagRow.tag)
_BASELINES = (
    select(MeasurementRow)
    .where(MeasurementRow.candidate_id.is_(None), MeasurementRow.study_id.in_(bindparam("ids", expanding=True)))
    .order_by(MeasurementRow.id)
)


def study_records(session: Session, condition: Condition, *, limit: int | None = None) -> list[Study]:
    """Return the studies, at most `limit`, that a condition on `StudyRow` selects, newest first.

    One whose record is torn is replaced by a failed one without settings, which says so.
    """
    named = select(StudyRow.id, StudyRow.slug, StudyRow.owner, StudyRow.revision).where(condition)
    return readable(
        lambda: _study_records(session, condition, limit),
        lambda: session.execute(named.order_by(StudyRow.id.desc()).limit(limit)).all(),
        lambda row: _study_records(session, StudyRow.id == row.id, 1),
        torn_study,
    )


def _study_records(session: Session, condition: Condition, limit: int | None) -> list[Study]:
    rows = session.scalars(select(StudyRow).where(condition).order_by(StudyRow.id.desc()).limit(limit)).all()
    ids = {"ids": [row.id for row in rows]}
    seconds: defaultdict[int, dict[str, float]] = defaultdict(dict)
    for stage in session.scalars(_SECONDS, ids):
        seconds[stage.study_id][stage.stage] = stage.seconds
    baselines: defaultdict[int, list[MeasurementRow]] = defaultdict(list)
    for measurement in session.scalars(_BASELINES, ids):
        baselines[measurement.study_id].append(measurement)
    tags: defaultdict[int, list[str]] = defaultdict(list)
    for tag in session.scalars(_TAGS, ids):
        tags[tag.study_id].append(tag.tag)
    visiting = guests.of_studies(session, ids["ids"])
    return [
        study_record(
            row, seconds=seconds[row.id], baseline=baselines[row.id], tags=tags[row.id], guests=visiting.get(row.id, ())
        )
        for row in rows
    ]


def page_condition(
    *,
    after: int | None,
    state: StudyState | None,
    owners: Collection[str] | None,
    search: str | None,
    tag: str | None,
) -> Condition:
    """Return what selects studies below an id, in a state, of some owners, with a text in their slug, with a tag."""
    return and_(
        true(),
        *([] if after is None else [StudyRow.id < min(after, LARGEST_ID)]),
        *([] if state is None else [StudyRow.state == state]),
        *([] if owners is None else [StudyRow.owner.in_(owners)]),
        *([] if search is None else [StudyRow.slug.contains(text_data(search.lower()), autoescape=True)]),
        *([] if tag is None else [StudyRow.id.in_(select(TagRow.study_id).where(TagRow.tag == text_data(tag)))]),
    )


def is_named(name: str) -> Condition:
    """Return what selects the study of a slug, or of an id where `name` is all digits."""
    study_id = id_in(name)
    if study_id is not None:
        return StudyRow.id == study_id
    return StudyRow.slug == name if could_be_slug(name) else false()  # what else it holds, a driver may refuse


_studies = StudyRow.__table__.c
_REVISION = select(_studies.id, _studies.revision, _studies.results_revision)
_REVISION_OF_ID = _REVISION.where(_studies.id == bindparam("named"))  # made once: asked by every request for a front
_REVISION_OF_SLUG = _REVISION.where(_studies.slug == bindparam("named"))


def latest_revision(connection: Connection, name: str) -> Revision | None:
    """Return the revision of the study of a slug or id, if there is one."""
    study_id = id_in(name)
    if study_id is None and not could_be_slug(name):
        return None
    statement, named = (_REVISION_OF_SLUG, name) if study_id is None else (_REVISION_OF_ID, study_id)
    found = connection.execute(statement, {"named": named}).one_or_none()
    return None if found is None else Revision(*found)


def study_by_id(session: Session, study_id: int) -> Study:
    """Return one study. Raises `StudyNotFoundError`."""
    found = study_records(session, StudyRow.id == study_id)
    if not found:
        raise no_such_study(study_id, slugs(session))
    return found[0]


def slugs(session: Session | Connection) -> list[str]:
    """Return the names of all studies."""
    return list(session.scalars(select(_studies.slug)))


_of_candidate = CandidateRow.__table__.c
_of_measurement = MeasurementRow.__table__.c
_of_verification = VerificationRow.__table__.c
AT_ONCE = 2000  # rows that are fetched together
_TEXTS = {
    "source": type_coerce(_of_measurement.source, Text),
    "conditions": func.nullif(_of_measurement.conditions.cast(Text), "{}"),
    "samples": func.nullif(_of_measurement.samples.cast(Text), "[]"),
}  # as `read_measurement` takes them: what is made of each value counts in a long study
_OF_MEASUREMENT = [
    _of_measurement.candidate_id,
    _of_measurement.later,
    *(_TEXTS.get(name, _of_measurement[name]) for name in MEASURED),
]
_RECORDED = [column for column in _of_candidate if column.name not in ("started_at", "finished_at")]
_Row = cast("Any", namedtuple)("_Row", [column.name for column in _RECORDED])


class CandidateQuery:
    """Reads the candidates that a condition on `CandidateRow` selects; made once, it is cheap to ask again.

    A condition on `MeasurementRow` may say more directly which `measured` rows are theirs.

    Rows are read as they are: the objects of a mapper take three times as long, which a long study would wait for.
    """

    def __init__(self, condition: Condition, *, measured: Condition | None = None) -> None:
        chosen = select(_of_candidate.id).where(condition)
        of_chosen = _of_measurement.candidate_id.in_(chosen) if measured is None else measured
        self._measurements = select(*_OF_MEASUREMENT).where(of_chosen).order_by(_of_measurement.id)
        self._verifications = select(*_of_verification).where(_of_verification.candidate_id.in_(chosen))
        self._candidates = select(*_RECORDED).where(condition)
        named = select(_of_candidate.id, _of_candidate.study_id, _of_candidate.number).where(condition)
        self._named = named.order_by(_of_candidate.number)

    def records(self, connection: Connection, **bound: object) -> list[Candidate]:
        """Return the candidates in number order; `bound` are the values of the condition's parameters.

        One whose record is torn is replaced by a failed one, which says so.
        """
        return readable(
            lambda: self._records(connection, bound),
            lambda: connection.execute(self._named, bound).all(),
            lambda row: CandidateQuery(CandidateRow.id == row.id)._records(connection, {}),
            torn_candidate,
        )

    def _records(self, connection: Connection, bound: Mapping[str, object]) -> list[Candidate]:
        of_outcome: defaultdict[int, list[Measurement]] = defaultdict(list)
        later: defaultdict[int, list[Measurement]] = defaultdict(list)
        with without_collecting():
            for rows in connection.execute(self._measurements, bound).partitions(AT_ONCE):
                for candidate_id, is_later, *values in rows:
                    (later if is_later else of_outcome)[candidate_id].append(read_measurement(*values))
            verifications = {row.candidate_id: row for row in connection.execute(self._verifications, bound)}
            records = [
                candidate_record(
                    row,
                    of_outcome=of_outcome.get(row.id, ()),
                    later=later.get(row.id, ()),
                    verification=verifications.get(row.id),
                )
                for rows in connection.execute(self._candidates, bound).partitions(AT_ONCE)
                for row in map(_Row._make, rows)  # in SQLAlchemy's own every name is looked up
            ]
            return sorted(records, key=attrgetter("number"))  # a server would sort a long study's configs on its disk


_OF_STUDY = CandidateQuery(
    CandidateRow.study_id == bindparam("study"),
    measured=(MeasurementRow.study_id == bindparam("study")) & MeasurementRow.candidate_id.is_not(None),
)


def candidates_of(session: Session, study_id: int) -> list[Candidate]:
    """Return the candidates of a study in number order."""
    return _OF_STUDY.records(session.connection(), study=study_id)


def candidate_by_id(connection: Connection, candidate_id: int) -> Candidate:
    """Return one candidate. Raises `CandidateNotFoundError`."""
    found = CandidateQuery(CandidateRow.id == candidate_id).records(connection)
    if not found:
        raise no_such_candidate(candidate_id)
    return found[0]
