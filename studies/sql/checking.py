"""Whether a database is sound: the file itself, that every row can be read, and what is open in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Table, inspect, text

from studies.rules import utc_now
from studies.sql.activity import what_is_open
from studies.sql.engine import allow_long_reading, new_engine, parsed_url, reading
from studies.sql.failures import explained, shown
from studies.sql.rows import TornRowError, count, rows, torn_rows
from studies.sql.schema import SchemaState, refuse_strange, schema_state, version
from studies.sql.tables import Base
from studies.store import StoreUnusableError

MOST_FAULTS = 20  # of one kind that are named


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a database holds: the version of its tables, bytes, rows by table, its faults, and what is open in it.

    The rows of an older version's tables are counted, not read.
    """

    storage: str
    version: str
    is_current: bool
    size_bytes: int
    rows: Mapping[str, int]
    faults: Sequence[str]
    is_open: Sequence[str]


def check(url: str) -> Checked:
    """Read a whole database and say what is wrong with it; nothing is changed.

    Raises `StoreUnusableError` where there is none of ours, or one that cannot be read at all.
    """
    parsed = parsed_url(url)
    engine = new_engine(parsed, read_only=True)
    try:
        with explained(parsed), reading(engine).begin() as connection:
            allow_long_reading(connection)
            state = schema_state(connection)
            refuse_strange(state, parsed)
            if state is SchemaState.EMPTY:
                raise StoreUnusableError(f"storage {shown(parsed)}: there are no studies in this database")
            is_current = state is SchemaState.CURRENT
            faults = [*_broken_pages(connection), *_orphans(connection)]
            tables = _tables(connection)
            return Checked(
                storage=shown(parsed),
                version=version(connection) or "",
                is_current=is_current,
                size_bytes=size_of(connection),
                rows={table.name: count(connection, table) for table in tables},
                faults=[*faults, *(_unreadable(connection, tables) if is_current and not faults else ())],
                is_open=what_is_open(connection, now=utc_now()),
            )
    finally:
        engine.dispose()


def _tables(connection: Connection) -> list[Table]:
    there = set(inspect(connection).get_table_names())
    return [table for table in Base.metadata.sorted_tables if table.name in there]


def _broken_pages(connection: Connection) -> list[str]:
    if connection.dialect.name != "sqlite":
        return []  # a server finds such pages while it reads the rows
    found = connection.scalars(text(f"PRAGMA integrity_check({MOST_FAULTS})"))
    return [f"file: {line}" for line in found if line != "ok"]


def _orphans(connection: Connection) -> list[str]:
    """Say which rows belong to a row that is gone; a server never lets one go."""
    if connection.dialect.name != "sqlite":
        return []
    found = connection.execute(text("PRAGMA foreign_key_check")).fetchmany(MOST_FAULTS)
    return [f"table {table}, row {row}: belongs to a row of {parent} that is gone" for table, row, parent, _ in found]


def _unreadable(connection: Connection, tables: Sequence[Table]) -> Iterator[str]:
    for table in tables:
        try:
            for _ in rows(connection, table):
                pass
        except TornRowError:
            yield from torn_rows(connection, table)


def size_of(connection: Connection) -> int:
    """Return the bytes that the database takes."""
    if connection.dialect.name == "postgresql":
        return connection.scalar(text("SELECT pg_database_size(current_database())")) or 0
    pages = connection.scalar(text("PRAGMA page_count")) or 0
    return pages * (connection.scalar(text("PRAGMA page_size")) or 0)
