"""What happened to studies, in one numbered sequence, for those who watch a study while it runs.

A reader asks for what came after the last number it saw. That misses nothing because numbers become visible in their
order: a reader of an event has all earlier events that will ever exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from studies.records import Claim

STATE = "state"  # of the study; data: state, error
CANDIDATE = "candidate"  # finished; data: number, state, drop, seen
LEASE = "lease"  # lost by a silent worker; data: job, kind, worker, attempt
TORN = "torn"  # in place of one that cannot be read; data: error
STAGE = "stage"  # of its run, told by its process; data: stage, text, done, total


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyEvent:
    """Something that happened to a study. `sequence` grows over all studies and is never used again."""

    sequence: int
    study_id: int
    kind: str
    data: Mapping[str, Any]  # Any: JSON data
    created_at: datetime


class EventLog(Protocol):
    """Keeps events. The store itself appends those of kind `STATE`, `CANDIDATE`, `LEASE`, in the transaction reported.

    A study's events go with the study. Every method is one short transaction.
    """

    def under(self, claim: Claim) -> EventLog:
        """Return this log for the holder of a claim: what it adds to that study is refused once the claim is void."""

    def append(self, study_id: int, kind: str, data: Mapping[str, Any]) -> StudyEvent:
        """Add an event. Raises `StudyNotFoundError`, `StudyLostError`, and `StoreError` for what JSON cannot hold."""

    def after(self, sequence: int, *, limit: int, study_id: int | None = None) -> Sequence[StudyEvent]:
        """Return at most `limit` events of a greater sequence, ascending, of one study or of all."""

    def recent(
        self, study_id: int, *, limit: int, kind: str | None = None, before: int | None = None
    ) -> Sequence[StudyEvent]:
        """Return at most `limit` events of a study, newest first, of one kind and below a sequence where given."""

    def latest(self) -> int:
        """Return the greatest sequence that is kept, 0 where none is."""

    def prune(self, *, older_than: datetime, keep_last: int) -> int:
        """Delete the events from before a moment, except the last `keep_last` of all; return how many went."""
