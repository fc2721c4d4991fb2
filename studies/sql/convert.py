"""Rows into records and back; nothing here talks to a database.

Numbers are turned to Python's own on the way in, since a driver may refuse, or keep as bytes, those of NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from objectives.measurement import Conditions, Interval, Measurement, Source
from search_spaces.config import Config
from studies.merging import merged
from studies.ownership import Owner
from studies.records import Candidate, CandidateState, Guest, Origin, Outcome, Proposal, Study, StudyState, Verification
from studies.rules import checked_measurement, json_data, readable_data, text_data
from studies.sql.kinds import read_json
from studies.sql.tables import MeasurementRow, StudyRow

Values = dict[str, Any]  # column → value
UNKNOWN = datetime.fromtimestamp(0, UTC)
_SOURCES = {source.value: source for source in Source}
MEASURED = ("quantity", "value", "unit", "source", "n", "lower", "upper", "level", "conditions", "samples")  # columns


def study_record(
    row: StudyRow,
    *,
    seconds: Mapping[str, float],
    baseline: Sequence[MeasurementRow],
    tags: Sequence[str],
    guests: Sequence[Guest],
) -> Study:
    """Return a study's record from its row, its seconds by stage, its baseline's rows, its tags and its guests."""
    if not isinstance(row.spec, Mapping) or not isinstance(row.context, Mapping):
        raise TypeError("its settings and what it found out must be objects")
    return Study(
        id=row.id,
        slug=row.slug,
        spec=readable_data(row.spec),  # an older program stored texts as they came
        state=row.state,
        created_at=row.created_at,
        updated_at=row.updated_at,
        revision=row.revision,
        context=readable_data(row.context),
        seconds=seconds,
        baseline=tuple(map(measurement_record, baseline)),
        error=row.error,
        owner=row.owner,
        claims=row.claims,
        process=owner_of(row),
        tags=tuple(tags),
        note=row.note or "",
        guests=tuple(guests),
    )


def torn_study(row: Any, why: str) -> Study:  # Any: the columns that are read
    """Return the stand-in for a study whose record is torn."""
    return Study(
        id=row.id,
        slug=row.slug,
        spec={},
        state=StudyState.FAILED,
        created_at=UNKNOWN,
        updated_at=UNKNOWN,
        revision=row.revision,
        owner=row.owner,
        error=why,
    )


def owner_of(row: StudyRow) -> Owner | None:
    """Return the process that runs a study, alive or not."""
    if row.owner_host is None or row.owner_pid is None or row.owner_started is None:
        return None
    return Owner(host=row.owner_host, pid=row.owner_pid, started=row.owner_started)


def candidate_record(
    row: Any,  # the columns of `CandidateRow`, of which moments are not read
    *,
    of_outcome: Sequence[Measurement],
    later: Sequence[Measurement],
    verification: Any | None,  # the columns of `VerificationRow`
) -> Candidate:
    """Return a candidate's record from its row and what hangs on it."""
    measured = tuple(of_outcome)
    return Candidate(
        id=row.id,
        study_id=row.study_id,
        number=row.number,
        proposal=_proposal(row),
        state=row.state,
        outcome=None if row.state is CandidateState.RUNNING else _outcome(row, measured),
        measurements=merged(measured, later) if later else measured,
        verification=None if verification is None else verification_record(verification),
        shortlisted=row.shortlisted,
    )


def new_record(row: Any, measured: Sequence[Values] = ()) -> Candidate:
    """Return the record of a candidate whose row, with the values of its measurements, was written just now."""
    of_outcome = [measurement_of(*(values[name] for name in MEASURED)) for values in measured]
    return candidate_record(row, of_outcome=of_outcome, later=(), verification=None)


def torn_candidate(row: Any, why: str) -> Candidate:  # Any: the columns that are read
    """Return the stand-in for a candidate whose record is torn: failed, without a config."""
    return Candidate(
        id=row.id,
        study_id=row.study_id,
        number=row.number,
        proposal=Proposal(config=Config(()), origin=Origin.USER),
        state=CandidateState.FAILED,
        outcome=Outcome(state=CandidateState.FAILED, reason=why),
    )


def measurement_record(row: MeasurementRow) -> Measurement:
    """Return a measurement from its row."""
    return measurement_of(*(getattr(row, name) for name in MEASURED))


def measurement_of(
    quantity: str,
    value: float,
    unit: str,
    source: Source,
    n: int,
    lower: float | None,
    upper: float | None,
    level: float | None,
    conditions: Conditions,
    samples: Sequence[float],
) -> Measurement:
    """Return a measurement from the columns `MEASURED`."""
    return Measurement(
        quantity=quantity,
        value=value,
        unit=unit,
        source=source,
        n=n,
        interval=_interval(lower, upper, level),
        conditions=conditions,
        samples=tuple(samples),
    )


def read_measurement(
    quantity: str,
    value: float,
    unit: str,
    source: str,
    n: int,
    lower: float | None,
    upper: float | None,
    level: float | None,
    conditions: str | None,
    samples: str | None,
) -> Measurement:
    """Return a measurement from the columns `MEASURED`, JSON data as texts, None for empty ones."""
    of_model = {} if conditions is None else read_json(conditions)
    repeats = () if samples is None else read_json(samples)
    how = _SOURCES.get(source) or Source(source)
    return measurement_of(quantity, value, unit, how, n, lower, upper, level, of_model, repeats)


def verification_record(row: Any) -> Verification:
    """Return a candidate's verification from its row."""
    return replace(verified_record(row), predictions=row.predictions, shortlist_size=row.shortlist_size)


def verified_record(row: Any) -> Verification:
    """Return what every verification has from the columns of `Verified`."""
    return Verification(
        examples=row.examples,
        n=row.n,
        metric=row.metric,
        drop=row.drop,
        interval=Interval(lower=row.lower, upper=row.upper, level=row.level),
        lost=row.lost,
        gained=row.gained,
    )


def proposal_values(proposal: Proposal) -> Values:
    """Return the columns of a proposal."""
    config, coordinates = proposal.config, proposal.coordinates
    text = config.canonical_json()
    return {
        "config": text,
        "group_order": None if Config.from_json(text) == config else [*config.levels],
        "origin": proposal.origin,
        "parent": proposal.parent,
        "coordinates": None if coordinates is None else json_data([float(x) for x in coordinates], field="coordinates"),
    }


def outcome_values(outcome: Outcome) -> Values:
    """Return the columns of an outcome; its measurements are rows of their own."""
    return {
        "state": outcome.state,
        "drop": _float(outcome.drop),
        "seen": int(outcome.seen),
        "lost": _int(outcome.lost),
        "gained": _int(outcome.gained),
        "reason": None if outcome.reason is None else text_data(outcome.reason),
        "seconds": float(outcome.seconds),
    }


def measurement_values(measurement: Measurement) -> Values:
    """Return the columns of a measurement, of any owner."""
    measurement, interval = checked_measurement(measurement), measurement.interval
    return {
        "quantity": text_data(measurement.quantity),
        "value": float(measurement.value),
        "unit": text_data(measurement.unit),
        "source": measurement.source,
        "n": int(measurement.n),
        "lower": None if interval is None else float(interval.lower),
        "upper": None if interval is None else float(interval.upper),
        "level": None if interval is None else float(interval.level),
        "conditions": measurement.conditions,
        "samples": measurement.samples,
    }


def verification_values(verification: Verification) -> Values:
    """Return the columns of a candidate's verification."""
    own = {"predictions": verification.predictions, "shortlist_size": int(verification.shortlist_size)}
    return {**verified_values(verification), **own}


def verified_values(verification: Verification) -> Values:
    """Return the columns of `Verified`."""
    interval = verification.interval
    return {
        "examples": verification.examples,
        "n": int(verification.n),
        "metric": float(verification.metric),
        "drop": float(verification.drop),
        "lower": float(interval.lower),
        "upper": float(interval.upper),
        "level": float(interval.level),
        "lost": _int(verification.lost),
        "gained": _int(verification.gained),
    }


def _proposal(row: Any) -> Proposal:
    return Proposal(
        config=Config.from_json(row.config, row.group_order or ()),
        origin=row.origin,
        parent=row.parent,
        coordinates=None if row.coordinates is None else tuple(row.coordinates),
    )


def _outcome(row: Any, measurements: tuple[Measurement, ...]) -> Outcome:
    return Outcome(
        state=row.state,
        drop=row.drop,
        seen=row.seen,
        lost=row.lost,
        gained=row.gained,
        measurements=measurements,
        reason=row.reason,
        seconds=row.seconds,
    )


def _interval(lower: float | None, upper: float | None, level: float | None) -> Interval | None:
    if lower is None or upper is None or level is None:
        return None
    return Interval(lower=lower, upper=upper, level=level)


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def _int(value: int | None) -> int | None:
    return None if value is None else int(value)
