"""Tending a database: check it, back it up, copy it into another, bring its tables up to date.

Each function opens the database, does its work and closes it. Importing this loads no database library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from studies.opening import has_database, shown_url
from studies.store import StoreUnusableError

if TYPE_CHECKING:
    from studies.sql.checking import Checked
    from studies.sql.copying import Copied


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
