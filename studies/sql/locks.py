"""Locks on things that are not rows, held until the transaction ends.

In PostgreSQL they are advisory locks. In SQLite a writer already holds the only write lock.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Function, bindparam, func, select
from sqlalchemy.orm import Session


def hold(session: Session, name: str) -> None:
    """Wait for the lock of this name; from then on no other write transaction has it until this one ends."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(lock(name)))


def lock(name: str, *, after: ColumnElement[int] | None = None) -> Function[Any]:
    """Return what PostgreSQL calls to `hold` a lock; a statement that selects from it does so before anything else.

    With a column `after` the lock is waited for when there is a value of it.
    """
    key = int.from_bytes(sha256(name.encode()).digest()[:8], signed=True)
    number = bindparam("key", key, BigInteger, unique=True)
    return func.pg_advisory_xact_lock(number if after is None else number + 0 * after)
