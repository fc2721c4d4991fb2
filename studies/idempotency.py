"""Answers given to requests, so that a request sent twice is executed once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from studies.store import StoreError

KEPT = timedelta(hours=24)


class IdempotencyConflictError(StoreError, ValueError):
    """This idempotency key came before, with another request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResponse:
    """What was answered: the HTTP status, and the body as JSON data."""

    status: int
    body: Any  # JSON data


class Idempotency(Protocol):
    """Keeps answers by the owner (None without a key) and the key of their request, for 24 hours."""

    def recall(self, owner: str | None, key: str, request_hash: str) -> StoredResponse | None:
        """Return the answer that this request got, None if it is new. Raises `IdempotencyConflictError`."""

    def remember(self, owner: str | None, key: str, request_hash: str, *, response: StoredResponse) -> StoredResponse:
        """Keep an answer unless one is kept, and return the one kept. Raises `IdempotencyConflictError`."""
