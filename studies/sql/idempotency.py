"""Answers to requests with an idempotency key, in SQL: kept by owner (None without a key) and key, for 24 hours."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from studies.idempotency import KEPT, IdempotencyConflictError, StoredResponse
from studies.rules import json_data
from studies.sql.locks import hold
from studies.sql.tables import AnswerRow


def hold_key(session: Session, owner: str | None, key: str) -> None:
    """Wait for other transactions that answer the same request."""
    hold(session, f"answer {owner or ''} {key}")


def answer_to(
    session: Session, owner: str | None, key: str, request_hash: str, *, now: datetime
) -> StoredResponse | None:
    """Return the answer that this request got, None if it is new. Raises `IdempotencyConflictError`."""
    row = session.get(AnswerRow, (owner or "", key))
    if row is None or row.created_at <= now - KEPT:
        return None
    if row.request_hash != request_hash:
        raise IdempotencyConflictError(
            "idempotency key: came before with another request; send a new key with a new request"
        )
    return StoredResponse(status=row.status, body=row.body)


def keep_answer(
    session: Session, owner: str | None, key: str, request_hash: str, *, response: StoredResponse, now: datetime
) -> StoredResponse:
    """Keep the answer to a request that has none, and forget those that are too old. The key is held."""
    session.execute(delete(AnswerRow).where(AnswerRow.created_at <= now - KEPT))
    body = json_data(response.body, field="body")
    session.add(
        AnswerRow(
            owner=owner or "", key=key, request_hash=request_hash, status=response.status, body=body, created_at=now
        )
    )
    session.flush()
    return StoredResponse(status=response.status, body=body)
