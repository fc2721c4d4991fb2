"""Tending a database: check it, back it up, copy it into another, bring its tables up to date, find what may go.

Each function opens the database, does its work and closes it. Importing this loads no database library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from studies.opening import has_database, shown_url
from studies.store import StoreUnusableError

if TYPE_CHECKING:
    from studies.sql.checking import Checked
    from studies.sql.copying import Copied
    from studies.sql.retention import Retained


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """The versions of a database's tables before and after; `before` is None where there were none."""

    storage: str
    before: str | None
    after: str


def check(url: str) -> Checked:
    """Read a whole database and say what it holds and what is wrong with it; nothing is changed.

    Raises `StoreUnusableError` where there is none of ours, or one that cannot be read at all.
    """
    from studies.sql import checking

    return checking.check(url)


def back_up(url: str, file: Path) -> int:
    """Write a SQLite database as it is now into a new file, while studies may run; return its size in bytes.

    The file appears complete or not at all. Raises `StoreUnusableError` for a server's database, a file that exists and
    a directory that cannot be written.
    """
    from studies.sql import backup

    return backup.back_up(url, file)


def copy(source: str, target: str, *, progress: Callable[[str, int], None] = lambda _table, _rows: None) -> Copied:
    """Copy a database into an empty one, SQLite or PostgreSQL each, and compare every row of both at the end.

    A copy that was broken off is refused by everyone who opens it, and goes on when it is started again. `progress`
    gets a table's name and how many of its rows are copied. Raises `StoreUnusableError` for a target that is not empty,
    `StudyBusyError` while studies of the source run, `StoreUnavailableError` if the source changed meanwhile.
    """
    from studies.sql import copying

    return copying.copy_all(source, target, progress=progress)


def stale(url: str, older_than: timedelta) -> Retained:
    """Say which studies nothing was written to for so long, and which of them stay all the same; nothing is changed.

    Those that run, wait or have labels that were bought stay. `StudyStore.delete_study` deletes the others.
    """
    from studies.sql import retention

    return retention.stale(url, older_than)


def vacuum(url: str) -> tuple[int, int]:
    """Give the room that deleted studies leave back to the disk, and return the bytes before and after.

    Writers wait meanwhile. SQLite needs as much room again as the file has; PostgreSQL keeps the room for new rows.
    """
    from studies.sql import retention

    return retention.vacuum(url)


def migrate(url: str) -> Migrated:
    """Make the tables of an empty database, or bring those of an older version up to date, under a lock.

    All migrations happen in one transaction. Raises `StudyBusyError` while an older program works in the database, and
    `StoreUnusableError` for one of a newer program, one of another, and a SQLite file that does not exist.
    """
    from studies.sql.upgrading import migrated

    if not has_database(url):
        raise StoreUnusableError(f"storage {shown_url(url)}: there is no such database to migrate; name another")
    before, after = migrated(url)
    return Migrated(storage=shown_url(url), before=before, after=after)
