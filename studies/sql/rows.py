"""The rows of a table as plain tuples, in the order of their keys, which is the same in every database.

Texts are ordered by their bytes: a server's own order depends on its language.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, String, Table, and_, func, select, text

from studies.sql.tables import Base, WorkerRow
from studies.sql.torn import TORN

AT_ONCE = 500  # rows that are in memory
KEPT = tuple(table for table in Base.metadata.sorted_tables if table.name != WorkerRow.__tablename__)  # parents first
_STREAMED = {"stream_results": True, "max_row_buffer": AT_ONCE}
AnyRow = Row[Any]  # Any: the columns of any table


class TornRowError(ValueError):
    """A row cannot be read. The text says why."""


def rows(connection: Connection, table: Table, *, skipped: int = 0) -> Iterator[AnyRow]:
    """Give the rows of a table in the order of its key, from the one after the first `skipped` on.

    Raises `TornRowError`.
    """
    chosen = _in_order(select(*table.c), connection, table).offset(skipped)
    try:
        with connection.execute(chosen, execution_options=_STREAMED) as found:
            yield from found
    except TORN as error:
        raise TornRowError(f"table {table.name}: a row cannot be read ({error})") from error


def torn_rows(connection: Connection, table: Table) -> Iterator[str]:
    """Give a sentence for each row of a table that cannot be read."""
    keys = connection.execute(_in_order(select(*table.primary_key.columns), connection, table)).all()
    for key in keys:
        is_row = and_(*(column == value for column, value in zip(table.primary_key.columns, key, strict=True)))
        try:
            connection.execute(select(*table.c).where(is_row)).one()
        except TORN as error:
            shown = ", ".join(f"{column.name} {value}" for column, value in zip(table.primary_key, key, strict=True))
            yield f"table {table.name}, {shown}: cannot be read ({error})"


def count(connection: Connection, table: Table) -> int:
    """Return the number of rows."""
    return connection.scalar(select(func.count()).select_from(table)) or 0


def last_number(connection: Connection, table: Table) -> int:
    """Return the greatest number that the table has ever given to a row; 0 where it numbers none."""
    column = table.autoincrement_column
    if column is None:
        return 0
    greatest = connection.scalar(select(func.max(column))) or 0
    return max(greatest, _counter(connection, table) or 0)


def set_last_number(connection: Connection, table: Table, number: int) -> None:
    """Have the table number its next row above this, so that no number is ever used for another row."""
    column = table.autoincrement_column
    if column is None or number == 0:
        return
    names = {"table": table.name, "column": column.name, "number": number}
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT setval(pg_get_serial_sequence(:table, :column), :number)"), names)
    elif _is_counted(table):
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :table"), names)
        connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :number)"), names)


def _counter(connection: Connection, table: Table) -> int | None:
    if connection.dialect.name != "postgresql":
        counted = text("SELECT seq FROM sqlite_sequence WHERE name = :table")
        return connection.scalar(counted, {"table": table.name}) if _is_counted(table) else None
    column = table.autoincrement_column
    names = {"table": table.name, "column": "" if column is None else column.name}
    sequence = connection.scalar(text("SELECT pg_get_serial_sequence(:table, :column)"), names)
    found: int | None = connection.scalar(text(f"SELECT last_value FROM {sequence} WHERE is_called"))
    return found


def _is_counted(table: Table) -> bool:
    return bool(table.dialect_options["sqlite"].get("autoincrement"))


def _in_order(chosen: Select[Any], connection: Connection, table: Table) -> Select[Any]:
    by_bytes = connection.dialect.name == "postgresql"
    key: Sequence[ColumnElement[Any]] = [
        column.collate("C") if by_bytes and isinstance(column.type, String) else column
        for column in table.primary_key.columns
    ]
    return chosen.order_by(*key)
