"""Limits on the use of a database: connections, and how long a statement or the wait for a lock may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How a program uses its database. Times in seconds.

    `connections` stay open once needed, and `CONNECTIONS_AT_NEED` more are opened while they are. What takes longer
    than `statement_s` (None: any time; SQLite knows no such limit) or waits longer than `lock_s` is given up, and
    nothing of it is kept.
    """

    connections: int = 5
    statement_s: float | None = None
    lock_s: float = 60.0


CONNECTIONS_AT_NEED = 10
OF_A_PROGRAM = Limits()
OF_A_SERVICE = Limits(connections=30, statement_s=60.0)  # as many connections as requests are answered at once
