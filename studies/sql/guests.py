"""Guests in SQL: models that were pruned elsewhere, a row each with all that was measured of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, or_, select
from sqlalchemy.orm import Session

from objectives.measurement import Source
from studies.records import Guest
from studies.rules import checked_guest, json_data, text_data
from studies.sql.convert import Values, measurement_of, measurement_values, verified_record, verified_values
from studies.sql.tables import GuestRow

_OF_STUDIES = (
    select(GuestRow)
    .where(GuestRow.study_id.in_(bindparam("ids", expanding=True)))
    .order_by(GuestRow.name, GuestRow.digest)
)  # made once: asked with every study


def put(session: Session, study_id: int, guest: Guest, now: datetime) -> None:
    """Keep a guest in place of the one with its files, and of the one that lay where it lies."""
    guest = checked_guest(guest)
    same = or_(GuestRow.digest == guest.digest, GuestRow.place == text_data(guest.place))
    session.execute(delete(GuestRow).where(GuestRow.study_id == study_id, same))
    session.add(
        GuestRow(
            study_id=study_id,
            digest=guest.digest,
            name=text_data(guest.name),
            place=text_data(guest.place),
            form=guest.form,
            added_at=now,
            measurements=json_data([*map(measurement_values, guest.measurements)], field="measurements"),
            **verified_values(guest.verification),
        )
    )


def of_studies(session: Session, study_ids: Sequence[int]) -> Mapping[int, list[Guest]]:
    """Return the guests of studies, in the order of their names."""
    found: defaultdict[int, list[Guest]] = defaultdict(list)
    for row in session.scalars(_OF_STUDIES, {"ids": list(study_ids)}):
        found[row.study_id].append(_guest(row))
    return found


def _guest(row: GuestRow) -> Guest:
    columns: list[Values] = row.measurements
    return Guest(
        name=row.name,
        place=row.place,
        form=row.form,
        digest=row.digest,
        added_at=row.added_at,
        verification=verified_record(row),
        measurements=tuple(measurement_of(**{**each, "source": Source(each["source"])}) for each in columns),
    )
