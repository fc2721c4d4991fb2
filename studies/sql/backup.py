"""A copy of a SQLite file while others use it, by SQLite's own online backup."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL

from studies.limits import OF_A_PROGRAM
from studies.sql.engine import database_file, is_sqlite, new_engine, parsed_url, reading
from studies.sql.failures import explained, shown
from studies.sql.schema import SchemaState, refuse_strange, schema_state
from studies.store import StoreUnavailableError, StoreUnusableError


def back_up(text: str, file: Path) -> int:
    """Write a SQLite database as it is now into a new file, checked as a whole, and return its size in bytes.

    Studies may run meanwhile. The file appears complete or not at all. Raises `StoreUnusableError` for another kind of
    database and for a file that exists or cannot be made, `StoreUnavailableError` where there is no room for it.
    """
    url, target = parsed_url(text), file.expanduser().absolute()
    _refuse(url, target)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with explained(url):
            _write(database_file(url), part)
        _keep(part, target)
    finally:
        part.unlink(missing_ok=True)
    return target.stat().st_size


def _refuse(url: URL, target: Path) -> None:
    if not is_sqlite(url):
        raise StoreUnusableError(
            f"storage {shown(url)}: only a SQLite file is backed up; use pg_dump, or copy it into a "
            "file by `optimize storage copy`"
        )
    if os.path.lexists(target):
        raise StoreUnusableError(f"backup: {target} exists already; name a new file")
    if not os.access(target.parent, os.W_OK):
        raise StoreUnusableError(f"backup: {target.parent} is no directory where you may write; name another file")
    engine = new_engine(url, read_only=True)
    try:
        with explained(url), reading(engine).begin() as connection:
            state = schema_state(connection)
    finally:
        engine.dispose()
    refuse_strange(state, url)
    if state is SchemaState.EMPTY:
        raise StoreUnusableError(f"storage {shown(url)}: there are no studies in this database")


def _write(source: Path, part: Path) -> None:
    """Copy all pages at once: writers go on in the file's log, and none of them makes the copy begin again."""
    with closing(_opened(source, "ro")) as reader, closing(_opened(part, "rwc")) as writer:
        try:
            reader.backup(writer)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_FULL":  # only the new file grows
                raise
            text = f"backup: {part.parent} has no room for the file ({error}); free some space, or name another file"
            raise StoreUnavailableError(text) from error
        writer.execute("PRAGMA journal_mode = DELETE")  # one file, with no log beside it
        found = [line for (line,) in writer.execute("PRAGMA integrity_check(1)")]
    if found != ["ok"]:
        raise StoreUnusableError(f"backup: {source} is damaged ({found[0]}); `optimize storage check` says more")


def _opened(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, timeout=OF_A_PROGRAM.lock_s, isolation_level=None)


def _keep(part: Path, target: Path) -> None:
    """Give a file that is on the disk its name, unless another has taken it meanwhile."""
    with part.open("rb+") as written:
        os.fsync(written.fileno())
    try:
        target.hardlink_to(part)
    except FileExistsError as error:
        raise StoreUnusableError(f"backup: {target} exists already; name a new file") from error
