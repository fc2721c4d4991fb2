"""Quotas in SQL: what a key uses is counted in the transaction that adds to it, under the lock of its row.

So of two servers that are asked at once, the second counts what the first has stored.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from studies.jobs import JobState
from studies.quotas import DAY, ROOM_AFTER_S, BeyondQuotaError, OverQuotaError, Use
from studies.sql.tables import ApiKeyRow, JobRow, QuotaUseRow, StudyRow


def refuse_over(session: Session, owner: str | None, *, candidates: int = 0, now: datetime) -> None:
    """Raise `OverQuotaError` where a key may not add a job, or not ask for so many candidates.

    Raises `BeyondQuotaError` where it never may. Nobody else adds anything for the key until the transaction ends.
    """
    key = None if owner is None else session.get(ApiKeyRow, owner, with_for_update=True)
    if key is None:
        return
    used = use_of(session, key.id, now=now)
    if key.most_queued is not None and used.queued >= key.most_queued:
        raise OverQuotaError(
            f"key {key.name!r}: {used.queued} jobs wait, and its quota of queued jobs is {key.most_queued}; submit "
            f"again when one has started, cancel one, or have the operator run `optimize keys quota {key.name} "
            "--queued N`",
            retry_after_s=ROOM_AFTER_S,
        )
    if key.most_candidates is not None and candidates:
        _refuse_many(session, key, key.most_candidates, used.candidates, candidates, now)


def note_candidates(session: Session, study: StudyRow, candidates: int, *, now: datetime) -> None:
    """Count the candidates of a new study for its key, for a day; what is older is forgotten."""
    if study.owner is None or not candidates:
        return
    session.execute(delete(QuotaUseRow).where(QuotaUseRow.owner == study.owner, QuotaUseRow.used_at <= now - DAY))
    session.add(QuotaUseRow(owner=study.owner, study_uid=study.uid, used_at=now, candidates=candidates))


def use_of(session: Session, owner: str, *, now: datetime) -> Use:
    """Return what a key uses now."""

    def jobs(state: JobState) -> int:
        return session.scalar(select(func.count()).where(JobRow.owner == owner, JobRow.state == state)) or 0

    of_today = select(func.sum(QuotaUseRow.candidates)).where(_is_of_today(owner, now))
    return Use(
        queued=jobs(JobState.QUEUED), running=jobs(JobState.RUNNING), candidates=int(session.scalar(of_today) or 0)
    )


def _refuse_many(session: Session, key: ApiKeyRow, most: int, used: int, asked: int, now: datetime) -> None:
    operator = f"have the operator run `optimize keys quota {key.name} --candidates N`"
    if asked > most:
        raise BeyondQuotaError(
            f"trials: {asked} candidates, and the quota of key {key.name!r} is {most} in 24 hours; lower `trials`, or "
            f"{operator}"
        )
    if used + asked <= most:
        return
    uses = select(QuotaUseRow.used_at, QuotaUseRow.candidates).where(_is_of_today(key.id, now))
    too_many, free_at = used + asked - most, now
    for used_at, candidates in session.execute(uses.order_by(QuotaUseRow.used_at)):
        too_many, free_at = too_many - candidates, used_at + DAY
        if too_many <= 0:
            break
    fewer = f", lower `trials` to {most - used}" if most > used else ""
    raise OverQuotaError(
        f"key {key.name!r}: {used} candidates were asked for in the last 24 hours and {asked} are now, and its quota "
        f"is {most}; submit again after {free_at:%Y-%m-%d %H:%M:%S} UTC{fewer}, or {operator}",
        retry_after_s=(free_at - now).total_seconds(),
    )


def _is_of_today(owner: str, now: datetime) -> ColumnElement[bool]:
    return (QuotaUseRow.owner == owner) & (QuotaUseRow.used_at > now - DAY)
