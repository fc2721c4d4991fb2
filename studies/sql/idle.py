"""Connections to a server may die while they are idle: those that may have are asked before they are used again.

A server that ends says so on the connection, which is looked at without asking anybody. Nobody says that a network is
gone, so after a pause the server is asked. To ask it before every use, as SQLAlchemy's `pool_pre_ping` does, would
double the round trips of a search.
"""

from __future__ import annotations

import select
import time
from functools import partial
from typing import Any

from sqlalchemy import Dialect, Engine, event
from sqlalchemy.exc import InvalidatePoolError

TRUSTED_S = 1.0  # after its last use a silent connection is taken to stand for so long
_USED = "used"


def ask_idle_connections(engine: Engine) -> None:
    """Have connections asked after a pause, or when they have something to say; all are replaced where none answers."""
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", partial(_ask, engine.dialect))


def _note_use(_connection: object, record: Any) -> None:  # Any: the pool's own
    record.info[_USED] = time.monotonic()


def _ask(dialect: Dialect, connection: Any, record: Any, _lent: object) -> None:  # Any: the driver's own connection
    used = record.info.get(_USED)  # forgotten with the connection
    if used is None or (time.monotonic() - used < TRUSTED_S and _is_silent(connection)):
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError from error


def _is_silent(connection: Any) -> bool:
    if connection.closed:
        return False
    look = select.poll()
    look.register(connection, select.POLLIN)
    return not look.poll(0)
