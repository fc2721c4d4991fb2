"""What a database's own errors mean to a user: one message with a remedy, by SQLite's error name or the SQLSTATE."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from studies.store import StoreError, StoreUnavailableError, StoreUnusableError

_SQLITE: tuple[tuple[tuple[str, ...], type[StoreError], str], ...] = (
    (
        ("SQLITE_NOTADB", "SQLITE_CORRUPT"),
        StoreUnusableError,
        "the file is not a sound SQLite database; name another file, or restore a copy of this one",
    ),
    (
        ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH"),
        StoreUnusableError,
        "the file cannot be opened for this; make it and its directory writable, or name another file",
    ),
    (
        ("SQLITE_FULL", "SQLITE_IOERR"),
        StoreUnavailableError,
        "the disk is full or failing; nothing of this write was kept. Free some space, then resume the study",
    ),
    (
        ("SQLITE_BUSY", "SQLITE_LOCKED"),
        StoreUnavailableError,
        "another process keeps the database locked; stop it, then resume the study",
    ),
)

_UNANSWERED = "08"  # where there is no SQLSTATE no server has answered
_POSTGRESQL: tuple[tuple[tuple[str, ...], type[StoreError], str], ...] = (
    (("57014",), StoreUnavailableError, "it took longer than --statement-seconds allow; nothing of it was kept"),
    (("55P03",), StoreUnavailableError, "others held what this needed for --lock-seconds; nothing was kept, try again"),
    (("08", "57", "58"), StoreUnavailableError, "the server cannot be reached or refuses; check the URL, or start it"),
    (("28", "3D"), StoreUnusableError, "the server refuses the login or has no such database; check the URL"),
    (("25006", "42501"), StoreUnusableError, "the login may not do this; use one that owns the database"),
    (("53",), StoreUnavailableError, "the server is short of disk, memory or connections; nothing of this was kept"),
    (("40", "55"), StoreUnavailableError, "others held what this needed; nothing of it was kept, try again"),
)


def shown(url: URL) -> str:
    """Return a URL as it may be shown: without its password, in any of its places."""
    return url.difference_update_query(["password"]).render_as_string(hide_password=True)


@contextmanager
def explained(url: URL) -> Iterator[None]:
    """Turn the database's errors inside the block into those of the store.

    `StoreUnavailableError` and `StoreUnusableError` name the URL, without the password if it has one.
    """
    try:
        yield
    except PoolTimeoutError as error:
        text = f"storage {shown(url)}: too many at once, no connection came free; try again"
        raise StoreUnavailableError(text) from error
    except (DBAPIError, sqlite3.Error) as error:  # the latter where SQLAlchemy lends its bare connection
        cause = error.orig if isinstance(error, DBAPIError) else error
        kind, remedy = _meaning(cause)
        said = str(cause).strip().partition("\n")[0]
        place = "database" if kind is StoreError else f"storage {shown(url)}"  # a study keeps the former as its error
        raise kind(f"{place}: {remedy} ({said})") from error


def _meaning(cause: BaseException | None) -> tuple[type[StoreError], str]:
    if isinstance(cause, sqlite3.Error):
        code, table = getattr(cause, "sqlite_errorname", ""), _SQLITE
    else:
        code, table = getattr(cause, "sqlstate", None) or _UNANSWERED, _POSTGRESQL
    for prefixes, kind, remedy in table:
        if code.startswith(prefixes):
            return kind, remedy
    return StoreError, "refused; nothing of this write was kept"
