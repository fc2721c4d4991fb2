"""The parts of a write transaction, each beginning with the lock of the study it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, bindparam, delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from objectives.measurement import Measurement
from studies.merging import merged
from studies.ownership import Owner, what_keeps
from studies.records import CandidateState, Claim, StudyState
from studies.rules import checked_slug, json_data, no_such_candidate, no_such_study, refuse_void, study_exists
from studies.sql.convert import Values, measurement_record, measurement_values, owner_of
from studies.sql.queries import slugs
from studies.sql.tables import (
    Base,
    CandidateRow,
    MeasurementRow,
    StageSecondsRow,
    StudyRow,
    TagRow,
    VerificationUseRow,
)
from studies.sql.torn import TORN
from studies.store import StudyBusyError, StudyTornError

_candidates, _measurements = CandidateRow.__table__.c, MeasurementRow.__table__.c  # made once: run for every candidate
_of_study = _candidates.study_id == bindparam("study")
_LOCKED_STUDY = (
    select(StudyRow)
    .where(StudyRow.id == bindparam("study"))
    .with_for_update()
    .execution_options(populate_existing=True)
)
_CANDIDATE = select(CandidateRow).where(CandidateRow.id == bindparam("candidate"))
_STUDY_OF = select(_candidates.study_id).where(_candidates.id == bindparam("candidate"))
_INSERT_MEASUREMENT = insert(Base.metadata.tables[MeasurementRow.__tablename__])


def locked_study(session: Session, study_id: int, claim: Claim | None = None) -> StudyRow:
    """Return a study's row, locked until the transaction ends.

    Raises `StudyNotFoundError`, `StudyTornError`, `StudyLostError`.
    """
    try:
        row = session.scalar(_LOCKED_STUDY, {"study": study_id})
    except TORN as error:
        raise StudyTornError(f"study {study_id}: its record cannot be read ({error}); delete the study") from error
    if row is None:
        raise no_such_study(study_id, slugs(session))
    refuse_void(claim, study_id, row.claims)
    return row


def changed_study(
    session: Session, study_id: int, now: datetime, *, claim: Claim | None, is_result: bool = True
) -> StudyRow:
    """Return a study's row, locked, with this write counted, and whether it may change what a front is."""
    row = locked_study(session, study_id, claim)
    row.revision += 1
    if is_result:
        row.results_revision = row.revision
    row.updated_at = now
    return row


def changed_candidate(session: Session, candidate_id: int, now: datetime, *, claim: Claim | None) -> CandidateRow:
    """Return a candidate's row, its study locked and the write counted. Raises `CandidateNotFoundError`."""
    study_id = session.scalar(_STUDY_OF, {"candidate": candidate_id})
    if study_id is None:
        raise no_such_candidate(candidate_id)
    study = changed_study(session, study_id, now, claim=claim)
    row = session.scalars(_CANDIDATE, {"candidate": candidate_id}).one()  # read under the lock
    row.revision = study.revision
    return row


def new_study(slug: str, spec: Mapping[str, Any], *, owner: str | None, state: StudyState, now: datetime) -> StudyRow:
    """Return a new study without an owner or a session. Raises `StudySlugError`, `StoreError`."""
    return StudyRow(
        slug=checked_slug(slug),
        uid=uuid4().hex,
        spec=json_data(spec, field="spec"),
        state=state,
        revision=0,
        results_revision=0,
        created_at=now,
        updated_at=now,
        context={},
        owner=owner,
        claims=0,
    )


def add_study(session: Session, row: StudyRow) -> None:
    """Add a new study to its table. Raises `StudyExistsError`."""
    session.add(row)
    try:
        session.flush()
    except IntegrityError as error:
        raise study_exists(row.slug) from error


def set_state(row: StudyRow, state: StudyState, owner: Owner) -> bool:
    """Give a study a state and return whether it is another; a running one belongs to `owner`, any other to no process.

    Without an owner all claims are void.
    """
    changes, row.state = row.state is not state, state
    if state is StudyState.RUNNING:
        row.owner_host, row.owner_pid, row.owner_started = owner.host, owner.pid, owner.started
    else:
        row.owner_host = row.owner_pid = row.owner_started = None
        row.claims += 1
    return changes


def what_keeps_study(row: StudyRow, process: Owner, *, quiet_for: timedelta) -> str | None:
    """Say why `process` may not take a study over; None where it may."""
    owner = owner_of(row)
    return None if owner is None else what_keeps(owner, from_=process, quiet_for=quiet_for)


def refuse_busy(row: StudyRow, process: Owner, *, now: datetime) -> None:
    """Raise `StudyBusyError` while another live process runs a study."""
    why = what_keeps_study(row, process, quiet_for=now - row.updated_at)
    if why:
        raise StudyBusyError(f"study {row.slug!r}: {why}")


def add_seconds(session: Session, study_id: int, seconds: Mapping[str, float]) -> None:
    """Add to the time a study has spent in each stage."""
    for stage, more in seconds.items():
        row = session.get(StageSecondsRow, (study_id, stage))
        if row is None:
            row = StageSecondsRow(study_id=study_id, stage=stage, seconds=0.0)
            session.add(row)
        row.seconds += float(more)


def replace_tags(session: Session, study_id: int, tags: Iterable[str]) -> None:
    """Make these the study's tags."""
    session.execute(delete(TagRow).where(TagRow.study_id == study_id))
    session.add_all(TagRow(study_id=study_id, tag=tag) for tag in tags)


def replace_baseline(session: Session, study_id: int, baseline: Iterable[Measurement]) -> None:
    """Make these measurements the study's baseline."""
    is_baseline = (MeasurementRow.study_id == study_id) & MeasurementRow.candidate_id.is_(None)
    session.execute(delete(MeasurementRow).where(is_baseline))
    insert_measurements(
        session.connection(), map(measurement_values, baseline), study_id=study_id, candidate_id=None, later=False
    )


def merge_later_measurements(session: Session, row: CandidateRow, measurements: Sequence[Measurement]) -> None:
    """Add measurements to those made after the evaluation; of equal quantity and conditions the last stays."""
    is_later = (MeasurementRow.candidate_id == row.id) & MeasurementRow.later
    before = session.scalars(select(MeasurementRow).where(is_later).order_by(MeasurementRow.id))
    after = map(measurement_values, merged(map(measurement_record, before), measurements))
    session.execute(delete(MeasurementRow).where(is_later))
    insert_measurements(session.connection(), after, study_id=row.study_id, candidate_id=row.id, later=True)


def reopen(session: Session, row: CandidateRow) -> None:
    """Put a finished candidate back in flight, its outcome forgotten."""
    of_outcome = (MeasurementRow.candidate_id == row.id) & ~MeasurementRow.later
    session.execute(delete(MeasurementRow).where(of_outcome))
    row.state, row.finished_at = CandidateState.RUNNING, None
    row.drop = row.lost = row.gained = row.reason = None
    row.seen, row.seconds = 0, 0.0


def count_use(session: Session, study: StudyRow, examples: str, now: datetime) -> None:
    """Count a study, once, among those that verified on these examples."""
    if session.get(VerificationUseRow, (examples, study.uid)) is None:
        session.add(VerificationUseRow(examples=examples, study_uid=study.uid, study_slug=study.slug, used_at=now))


def insert_measurements(
    connection: Connection, measured: Iterable[Values], *, study_id: int, candidate_id: int | None, later: bool
) -> None:
    """Add measurements, given by their columns."""
    belongs = {"study_id": study_id, "candidate_id": candidate_id, "later": later}
    rows = [belongs | values for values in measured]
    if rows:
        connection.execute(_INSERT_MEASUREMENT, rows)
