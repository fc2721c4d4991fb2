"""Quotas: how much of a service one API key may use at a time and in a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from studies.store import StoreError

DAY = timedelta(hours=24)
ROOM_AFTER_S = 300.0  # when to ask again for a place in the queue: studies take minutes to hours


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What a key may use at most; None: as much as it likes.

    `queued` jobs wait at once: studies, exports and purchases. `running` jobs run at once; None leaves that to the
    workers. `candidates` are those of the studies that were submitted in the last 24 hours, whatever became of them.
    """

    queued: int | None = None
    running: int | None = None
    candidates: int | None = None


ANY = Quota()


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a key uses at a moment, counted as in `Quota`."""

    queued: int
    running: int
    candidates: int


class OverQuotaError(StoreError, RuntimeError):
    """A key has used up a quota. `retry_after_s` says when there may be room again; nothing of the call is kept."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BeyondQuotaError(StoreError, ValueError):
    """A study asks for more candidates than its key may ever have in a day."""

    field = "trials"
