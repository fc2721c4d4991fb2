"""Locks on things that are not rows, held until the transaction ends.

In PostgreSQL they are advisory locks. In SQLite a writer already holds the only write lock.
"""

from __future__ import annotations

from hashlib import sha256

from sqlalchemy import text
from sqlalchemy.orm import Session


def hold(session: Session, name: str) -> None:
    """Wait for the lock of this name; from then on no other write transaction has it until this one ends."""
    if session.get_bind().dialect.name == "postgresql":
        key = int.from_bytes(sha256(name.encode()).digest()[:8], signed=True)
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
