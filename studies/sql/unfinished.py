"""The mark of a database into which studies are being copied: until it is gone nobody else opens the database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import URL, Column, Connection, Double, Integer, MetaData, Table, Text, delete, insert, inspect, select
from sqlalchemy import update as update_rows

from studies.ownership import Owner, what_keeps
from studies.sql.failures import shown
from studies.sql.kinds import UtcDateTime
from studies.sql.rows import count
from studies.sql.schema import UNFINISHED_COPY, SchemaState, refuse_strange, schema_state, stamp
from studies.sql.tables import Base
from studies.store import StoreUnusableError, StudyBusyError

MARK = Table(
    UNFINISHED_COPY,
    MetaData(),
    Column("source", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", Double, nullable=False),
    Column("touched_at", UtcDateTime, nullable=False),
)


def begin(connection: Connection, url: URL, *, source: str, now: datetime) -> None:
    """Make a database the target of a copy by this process: an empty one, or one where this copy has begun.

    Raises `StoreUnusableError` for any other, and `StudyBusyError` while another process copies into it.
    """
    state = schema_state(connection)
    if state is SchemaState.UNFINISHED:
        _refuse_other_copy(connection, url, source=source, now=now)
        connection.execute(delete(MARK))
    else:
        _make_tables(connection, url, state)
    here = Owner.of_this_process()
    values = {"source": source, "host": here.host, "pid": here.pid, "started": here.started, "touched_at": now}
    connection.execute(insert(MARK), values)


def touch(connection: Connection, now: datetime) -> None:
    """Record that the copy goes on. Raises `StudyBusyError` where another process goes on with it by now."""
    here = Owner.of_this_process()
    is_mine = (MARK.c.host == here.host) & (MARK.c.pid == here.pid) & (MARK.c.started == here.started)
    done = connection.execute(update_rows(MARK).where(is_mine).values(touched_at=now))
    if done.rowcount != 1:
        raise StudyBusyError("copy: another process goes on with it by now; nothing more is written from here")


def end(connection: Connection) -> None:
    """Give the finished database to everyone."""
    MARK.drop(connection)
    stamp(connection)


def _refuse_other_copy(connection: Connection, url: URL, *, source: str, now: datetime) -> None:
    mark = connection.execute(select(MARK)).one()
    if mark.source != source:
        raise StoreUnusableError(
            f"storage {shown(url)}: a copy of {mark.source} into it has not ended; finish that one, or name another "
            "database"
        )
    owner = Owner(host=mark.host, pid=mark.pid, started=mark.started)
    why = what_keeps(owner, from_=Owner.of_this_process(), quiet_for=now - mark.touched_at)
    if why:
        raise StudyBusyError(f"storage {shown(url)}: a copy into it is going on: {why}")


def _make_tables(connection: Connection, url: URL, state: SchemaState) -> None:
    refuse_strange(state, url)
    if state is SchemaState.CURRENT and not any(count(connection, table) for table in Base.metadata.sorted_tables):
        connection.exec_driver_sql("DROP TABLE alembic_version")
    elif state is not SchemaState.EMPTY:
        raise StoreUnusableError(f"storage {shown(url)}: holds studies or keys already; name an empty database")
    elif inspect(connection).get_table_names():
        raise StoreUnusableError(f"storage {shown(url)}: holds another program's tables; name an empty database")
    Base.metadata.create_all(connection)
    MARK.create(connection)
