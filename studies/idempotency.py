"""Answers given to requests, so that a request sent twice is executed once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from studies.store import StoreError

KEPT = timedelta(hours=24)


class IdempotencyConflictError(StoreError, ValueError):
    """This idempotency key came before, with another request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResponse:
    """What was answered: the HTTP status, and the body as JSON data."""

    status: int
    body: Any  # JSON data
