"""The tables, typed, in SQL that SQLite and PostgreSQL share. Migrations repeat them; a test holds the two together.

What belongs to a study references `studies` and is deleted with it, except `verification_uses`: examples stay used.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum as PythonEnum
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Double,
    Enum,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    text,
)
from sqlalchemy import UniqueConstraint as Unique
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from objectives.measurement import Source
from studies.jobs import JobKind, JobState
from studies.records import LONGEST_TAG, CandidateState, Origin, StudyState
from studies.sql.kinds import Names, UtcDateTime

IS_LEASE = text("kind = 'lease'")  # as `studies.events.LEASE`; written out, or no database would use the index
JsonData = Any  # any JSON data; `studies.rules.json_data` has looked at it before it comes here


def _word(words: type[StrEnum]) -> Enum:
    return Enum(words, native_enum=False, length=16, values_callable=_values)


def _values(words: type[PythonEnum]) -> list[str]:
    return [word.value for word in words]


def _belongs_to(column: str) -> ForeignKey:
    return ForeignKey(column, ondelete="CASCADE")


class Base(DeclarativeBase):
    """Root of the tables: one type per Python type, and names for constraints, which migrations need."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - read by SQLAlchemy, never written
        float: Double,
        bytes: LargeBinary,
        datetime: UtcDateTime,
        JsonData: JSON(none_as_null=True),
        StudyState: _word(StudyState),
        CandidateState: _word(CandidateState),
        Origin: _word(Origin),
        Source: _word(Source),
        JobKind: _word(JobKind),
        JobState: _word(JobState),
    }


class StudyRow(Base):
    """A study. `uid` identifies it for ever, even if its slug goes to another study.

    `owner_*` say which process runs it; `owner` is the id of the API key it was made for. `claims` grows whenever the
    right to write to it goes to another process or to none: a write under an older number is refused.
    """

    __tablename__ = "studies"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 - read by SQLAlchemy; ids are never used again

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(80), unique=True)
    uid: Mapped[str] = mapped_column(String(32), unique=True)
    spec: Mapped[JsonData]
    state: Mapped[StudyState]
    revision: Mapped[int]
    results_revision: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    context: Mapped[JsonData]
    error: Mapped[str | None] = mapped_column(Text)
    owner_host: Mapped[str | None] = mapped_column(Text)
    owner_pid: Mapped[int | None]
    owner_started: Mapped[float | None]
    owner: Mapped[str | None] = mapped_column(Text)
    claims: Mapped[int] = mapped_column(server_default="0")
    note: Mapped[str | None] = mapped_column(Text)


class TagRow(Base):
    """A tag that people give to a study."""

    __tablename__ = "study_tags"

    study_id: Mapped[int] = mapped_column(_belongs_to("studies.id"), primary_key=True, autoincrement=False)
    tag: Mapped[str] = mapped_column(String(LONGEST_TAG), primary_key=True, index=True)


class WorkerRow(Base):
    """A worker that reported lately."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class CandidateRow(Base):
    """A candidate with its proposal and, once finished, its outcome.

    `revision` is the study's at the last write to the candidate or anything of it.
    `config` is the canonical JSON, with groups in name order; `group_order` lists the groups as the config
    had them, where that differs.
    """

    __tablename__ = "candidates"
    __table_args__ = (
        Unique("study_id", "number"),
        Unique("study_id", "config"),
        Index(None, "study_id", "revision"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(_belongs_to("studies.id"))
    number: Mapped[int]
    revision: Mapped[int] = mapped_column(server_default="0")
    config: Mapped[str] = mapped_column(Text)
    group_order: Mapped[tuple[str, ...] | None] = mapped_column(Names)
    origin: Mapped[Origin]
    parent: Mapped[int | None]
    coordinates: Mapped[JsonData | None]
    state: Mapped[CandidateState]
    drop: Mapped[float | None]
    seen: Mapped[int]
    lost: Mapped[int | None]
    gained: Mapped[int | None]
    reason: Mapped[str | None] = mapped_column(Text)
    seconds: Mapped[float]
    shortlisted: Mapped[bool]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class MeasurementRow(Base):
    """One quantity of a candidate, or of the baseline where `candidate_id` is NULL.

    `later` marks what was added after the outcome, which itself is never changed.
    """

    __tablename__ = "measurements"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(_belongs_to("studies.id"), index=True)
    candidate_id: Mapped[int | None] = mapped_column(_belongs_to("candidates.id"), index=True)
    later: Mapped[bool]
    quantity: Mapped[str] = mapped_column(Text)
    value: Mapped[float]
    unit: Mapped[str] = mapped_column(Text)
    source: Mapped[Source]
    n: Mapped[int]
    lower: Mapped[float | None]
    upper: Mapped[float | None]
    level: Mapped[float | None]
    conditions: Mapped[JsonData]
    samples: Mapped[JsonData]


class Verified:
    """The columns of whatever was verified: a drop on so many examples, with its interval."""

    examples: Mapped[str] = mapped_column(Text)
    n: Mapped[int]
    metric: Mapped[float]
    drop: Mapped[float]
    lower: Mapped[float]
    upper: Mapped[float]
    level: Mapped[float]
    lost: Mapped[int | None]
    gained: Mapped[int | None]


class VerificationRow(Verified, Base):
    """One candidate on the verification examples, once."""

    __tablename__ = "verifications"

    candidate_id: Mapped[int] = mapped_column(_belongs_to("candidates.id"), primary_key=True, autoincrement=False)
    predictions: Mapped[bytes | None]
    shortlist_size: Mapped[int]


class PurchaseRow(Base):
    """A stock of texts for which labels are bought; `keys` are their fingerprints, one after the other."""

    __tablename__ = "purchases"

    study_id: Mapped[int] = mapped_column(_belongs_to("studies.id"), primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    created_at: Mapped[datetime]
    plan: Mapped[JsonData]
    keys: Mapped[bytes]


class DisputedRow(Base):
    """A text of a purchase on which the dense model and a member disagree, with the labels given to it."""

    __tablename__ = "disputed_texts"

    study_id: Mapped[int] = mapped_column(_belongs_to("studies.id"), primary_key=True, autoincrement=False)
    purchase: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[JsonData]
    dense: Mapped[int]
    answers: Mapped[JsonData]
    is_checked: Mapped[bool]
    batch: Mapped[int | None]
    label: Mapped[int | None]
    again: Mapped[int | None]


class GuestRow(Verified, Base):
    """A model that was pruned elsewhere; `measurements` are the columns of `MeasurementRow`, a list of objects."""

    __tablename__ = "guests"

    study_id: Mapped[int] = mapped_column(_belongs_to("studies.id"), primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    place: Mapped[str] = mapped_column(Text)
    form: Mapped[str] = mapped_column(Text)
    added_at: Mapped[datetime]
    measurements: Mapped[JsonData]


class VerificationUseRow(Base):
    """The record that a study, perhaps deleted since, has verified on a set of examples."""

    __tablename__ = "verification_uses"

    examples: Mapped[str] = mapped_column(Text, primary_key=True)
    study_uid: Mapped[str] = mapped_column(String(32), primary_key=True)
    study_slug: Mapped[str] = mapped_column(String(80))
    used_at: Mapped[datetime]


class StageSecondsRow(Base):
    """How long a study has spent in a stage."""

    __tablename__ = "stage_seconds"

    study_id: Mapped[int] = mapped_column(_belongs_to("studies.id"), primary_key=True, autoincrement=False)
    stage: Mapped[str] = mapped_column(Text, primary_key=True)
    seconds: Mapped[float]


class EventRow(Base):
    """Something that happened to a study. Only `studies.sql.events` adds one, because numbers must commit in order."""

    __tablename__ = "events"
    __table_args__ = (
        Index(None, "study_id", "sequence"),
        Index("ix_events_lost_leases", "created_at", sqlite_where=IS_LEASE, postgresql_where=IS_LEASE),
        {"sqlite_autoincrement": True},
    )

    sequence: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    study_id: Mapped[int] = mapped_column(_belongs_to("studies.id"))
    kind: Mapped[str] = mapped_column(Text)
    data: Mapped[JsonData]
    created_at: Mapped[datetime] = mapped_column(index=True)


class JobRow(Base):
    """A job, and while it runs the worker that has it and until when.

    `claims` and `progress` are the study's as the job was last lent out; `context` is what the request that made it is
    called in logs and traces.
    """

    __tablename__ = "jobs"
    __table_args__ = (Index(None, "owner", "started_at"), {"sqlite_autoincrement": True})  # ids are never used again

    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(_belongs_to("studies.id"), index=True)
    kind: Mapped[JobKind]
    payload: Mapped[JsonData]
    state: Mapped[JobState] = mapped_column(index=True)
    priority: Mapped[int]
    owner: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int]
    max_attempts: Mapped[int]
    worker: Mapped[str | None] = mapped_column(Text)
    lease_until: Mapped[datetime | None]
    cancel_requested: Mapped[bool]
    error: Mapped[str | None] = mapped_column(Text)
    result: Mapped[JsonData | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    claims: Mapped[int] = mapped_column(server_default="0")
    progress: Mapped[int] = mapped_column(server_default="0")
    context: Mapped[JsonData | None]


class TurnRow(Base):
    """When an owner was last given a worker, in the order of all turns; `owner` is empty for jobs without a key."""

    __tablename__ = "turns"

    owner: Mapped[str] = mapped_column(Text, primary_key=True)
    kind: Mapped[JobKind] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)


class ApiKeyRow(Base):
    """An API key; `digest` is the SHA-256 of its secret, `owners` the ids of the keys whose studies it reads too.

    `most_queued`, `most_running` and `most_candidates` are its quotas.
    """

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[JsonData]
    owners: Mapped[JsonData | None]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    most_queued: Mapped[int | None]
    most_running: Mapped[int | None]
    most_candidates: Mapped[int | None]


class QuotaUseRow(Base):
    """How many candidates a study of an API key may have, counted for a day, also when the study is deleted."""

    __tablename__ = "quota_uses"

    owner: Mapped[str] = mapped_column(Text, primary_key=True)
    study_uid: Mapped[str] = mapped_column(String(32), primary_key=True)
    used_at: Mapped[datetime]
    candidates: Mapped[int]


class AnswerRow(Base):
    """What a request with an idempotency key was answered; `owner` is empty where the request had no API key."""

    __tablename__ = "answers"

    owner: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    request_hash: Mapped[str] = mapped_column(Text)
    status: Mapped[int]
    body: Mapped[JsonData | None]
    created_at: Mapped[datetime] = mapped_column(index=True)
