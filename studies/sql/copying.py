"""Copying all that a database holds into an empty one, of the same kind or the other.

Rows go over table by table in the order of their keys, each batch in a transaction of its own. A copy that was broken
off goes on behind the rows it finds, which are compared on the way. At the end every row is read back and compared
with the source as it is then; only after that can anyone else open the copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice, zip_longest

from sqlalchemy import URL, Connection, Engine, Table, delete, insert

from studies.rules import utc_now
from studies.sql import unfinished
from studies.sql.activity import waiting_jobs, what_is_open
from studies.sql.database import Database
from studies.sql.engine import database_file, is_sqlite, new_engine, parsed_url, reading, share_among_processes, writing
from studies.sql.failures import explained, shown
from studies.sql.rows import AT_ONCE, KEPT, TornRowError, count, last_number, rows, set_last_number
from studies.sql.schema import refuse_strange, schema_state, wait_for_other_upgrades
from studies.store import StoreUnavailableError, StoreUnusableError, StudyBusyError

Progress = Callable[[str, int], None]  # the table, and how many rows of it are copied


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What a copy holds: rows by table, how many of them an earlier attempt had copied, and the jobs that wait."""

    source: str
    target: str
    rows: Mapping[str, int]
    found: int
    waiting: int


def copy_all(source: str, target: str, *, progress: Progress) -> Copied:
    """Copy a database into an empty one, or go on with a copy that was broken off.

    Raises `StoreUnusableError` for a target that holds anything else and for a source that cannot be read as a whole,
    `StudyBusyError` while studies of the source run, `StoreUnavailableError` where the source changed meanwhile.
    """
    with closing(Database.open(source, read_only=True)) as database:
        url = parsed_url(target)
        _refuse_same(database.url, url)
        with _snapshot(database):  # which refuses what is open before the target is touched
            pass
        engine = new_engine(url, read_only=False)
        try:
            with explained(url):
                _begin(engine, url, database)
                found = _fill(database, engine, progress)
                return _finish(database, engine, url, found)
        finally:
            engine.dispose()


def _refuse_same(source: URL, target: URL) -> None:
    are_files = is_sqlite(source) and is_sqlite(target)
    if source == target or (are_files and database_file(source).resolve() == database_file(target).resolve()):
        raise StoreUnusableError(f"storage {shown(target)}: the database cannot be copied into itself; name another")


@contextmanager
def _snapshot(database: Database) -> Iterator[Connection]:
    """Give the source as it is now. Raises `StudyBusyError` while someone works in it."""
    with database.read(much=True) as session:
        connection = session.connection()
        is_open = what_is_open(connection, now=utc_now())
        if is_open:
            more = f" (and {len(is_open) - 1} more)" if len(is_open) > 1 else ""
            raise StudyBusyError(f"storage {shown(database.url)}: {is_open[0]}{more}")
        try:
            yield connection
        except TornRowError as error:
            raise StoreUnusableError(
                f"storage {shown(database.url)}: {error}; `optimize storage check` names all such rows"
            ) from error


def _begin(engine: Engine, url: URL, source: Database) -> None:
    with reading(engine).begin() as connection:
        state = schema_state(connection)
    if state is not state.UNFINISHED:
        refuse_strange(state, url)  # before anything of another program's file is touched
    with writing(engine).begin() as connection:
        wait_for_other_upgrades(connection)
        unfinished.begin(connection, url, source=shown(source.url), now=utc_now())
    share_among_processes(engine)


def _fill(source: Database, target: Engine, progress: Progress) -> int:
    """Copy what the target lacks, and return how many rows it had already."""
    with _snapshot(source) as connection:
        had = _had(connection, target)
        for table in KEPT:
            done = had[table.name]
            missing = rows(connection, table, skipped=done)
            while batch := [dict(row._mapping) for row in islice(missing, AT_ONCE)]:
                with writing(target).begin() as into:
                    unfinished.touch(into, utc_now())
                    into.execute(insert(table), batch)
                done += len(batch)
                progress(table.name, done)
    return sum(had.values())


def _had(source: Connection, target: Engine) -> Mapping[str, int]:
    """Return how many rows of each table the target has. One that is no beginning of the source is emptied."""
    with reading(target).begin() as connection:
        if all(_begins(source, connection, table) for table in KEPT):
            return {table.name: count(connection, table) for table in KEPT}
    with writing(target).begin() as connection:
        unfinished.touch(connection, utc_now())
        for table in reversed(KEPT):
            connection.execute(delete(table))
    return dict.fromkeys((table.name for table in KEPT), 0)


def _begins(source: Connection, target: Connection, table: Table) -> bool:
    """Whether the rows of the target are the first ones of the source."""
    there = zip_longest(rows(target, table), islice(rows(source, table), count(target, table)))
    return all(copy == row for copy, row in there)


def _finish(source: Database, target: Engine, url: URL, found: int) -> Copied:
    """Compare every row with the source as it is now, continue its numbers, and open the copy to everyone."""
    with _snapshot(source) as connection:
        with reading(target).begin() as into:
            counts = {table.name: _verified(connection, into, table, source.url) for table in KEPT}
        with writing(target).begin() as into:
            unfinished.touch(into, utc_now())
            for table in KEPT:
                set_last_number(into, table, last_number(connection, table))
            unfinished.end(into)
        waiting = waiting_jobs(connection)
    return Copied(source=shown(source.url), target=shown(url), rows=counts, found=found, waiting=waiting)


def _verified(source: Connection, target: Connection, table: Table, url: URL) -> int:
    """Return the number of rows of a table, all equal in both. Raises `StoreUnavailableError` otherwise."""
    number = 0
    for row, copy in zip_longest(rows(source, table), rows(target, table)):
        if row != copy:
            raise StoreUnavailableError(
                f"storage {shown(url)}: table {table.name} is not as it was when the copy began; stop whatever writes "
                "to it, then run the same copy again"
            )
        number += 1
    return number
