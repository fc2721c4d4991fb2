"""The version of the tables in a database: checked whenever it is opened, and upgraded if it is opened for writing.

A database of a version this program does not know is left exactly as it is.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy import URL, Connection, Engine, Select, String, column, inspect, select, table, text

from studies.rules import utc_now
from studies.sql.activity import what_is_open
from studies.sql.engine import reading, share_among_processes, writing
from studies.sql.failures import shown
from studies.sql.tables import Base
from studies.store import StoreNewerError, StoreOlderError, StoreUnusableError, StudyBusyError

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).with_name("migrations")
UNFINISHED_COPY = "unfinished_copy"  # the table that a database has while studies are copied into it
_UPGRADE_LOCK = 0x5052554E45  # any number, the same in every process: PostgreSQL's lock for those who upgrade
VERSION: Select[str] = select(column("version_num", String)).select_from(
    table("alembic_version")
)  # read by every write
_ONE_AT_A_TIME = Lock()  # Alembic's `op` and `context` belong to the whole process


class SchemaState(Enum):
    """How the tables of a database relate to those of this program."""

    CURRENT = "current"
    EMPTY = "empty"  # none of our tables yet
    OLDER = "older"
    UNKNOWN = "unknown"  # a newer program's
    FOREIGN = "foreign"  # tables with this program's names, but of no known version
    UNFINISHED = "unfinished"  # a copy that has not reached its end


def make_usable(engine: Engine, url: URL) -> None:
    """Create or upgrade the tables in one transaction unless they are current.

    Raises `StoreUnusableError` for a database of a newer program or of another one, and `StudyBusyError` for one in
    which an older program works: each stays untouched.
    """
    with reading(engine).begin() as connection:
        refuse_strange(schema_state(connection), url)
    share_among_processes(engine)
    with writing(engine).begin() as connection:
        wait_for_other_upgrades(connection)
        state = schema_state(connection)
        if state is SchemaState.CURRENT:
            connection.execute(
                text("UPDATE alembic_version SET version_num = version_num")
            )  # fails if all writes would
        elif state is SchemaState.EMPTY:
            create(connection)
        else:
            _refuse_open(connection, url)
            upgrade(connection)


def refuse_newer(found: str | None, url: URL) -> None:
    """Raise `StoreNewerError` where the version of the tables is no longer this program's.

    Whatever was upgraded has had room for this program's rows: what is checked before a write holds for all of it.
    """
    if found != current_version():
        raise StoreNewerError(
            f"storage {shown(url)}: its tables are of version {found} by now, made by a newer program; start this "
            "program again in that version"
        )


def check_readable(engine: Engine, url: URL) -> None:
    """Raise `StoreUnusableError` unless the tables are current; nothing is changed."""
    with reading(engine).begin() as connection:
        state = schema_state(connection)
    refuse_strange(state, url)
    if state is SchemaState.EMPTY:
        raise StoreUnusableError(f"storage {shown(url)}: there are no studies in this database; run one there first")
    if state is SchemaState.OLDER:
        raise StoreOlderError(
            f"storage {shown(url)}: written by an older version of this program; run or resume a study there once, "
            "or `optimize storage migrate`, which brings its tables up to date"
        )


def schema_state(connection: Connection) -> SchemaState:
    """Say how the tables of this database relate to those of this program."""
    tables = set(inspect(connection).get_table_names())
    if UNFINISHED_COPY in tables:
        return SchemaState.UNFINISHED
    found = version(connection) if "alembic_version" in tables else None
    if found is None:
        return SchemaState.FOREIGN if Base.metadata.tables.keys() & tables else SchemaState.EMPTY
    *older, current = _revisions(MIGRATIONS)
    if found == current:
        return SchemaState.CURRENT
    return SchemaState.OLDER if found in older else SchemaState.UNKNOWN


def version(connection: Connection) -> str | None:
    """Return the version of the tables of a database that states one."""
    found: str | None = connection.scalar(VERSION)
    return found


def create(connection: Connection) -> None:
    """Create all tables at once; this is faster than the migrations and makes the same tables."""
    Base.metadata.create_all(connection)
    stamp(connection)


def stamp(connection: Connection) -> None:
    """Record that the tables are of this program's version."""
    from alembic.migration import MigrationContext  # whoever only reads should not wait for Alembic
    from alembic.script import ScriptDirectory

    MigrationContext.configure(connection).stamp(ScriptDirectory.from_config(migrations()), "head")


def upgrade(connection: Connection) -> None:
    """Run the missing migrations inside the connection's transaction."""
    from alembic import command

    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))  # large tables take their time
    config = migrations()
    config.attributes["connection"] = connection
    with _ONE_AT_A_TIME:
        command.upgrade(config, "head")


def migrations() -> Config:
    """Return Alembic's configuration: the scripts next to this file, no ini file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def current_version() -> str:
    """Return the version of this program's tables."""
    return _revisions(MIGRATIONS)[-1]


@cache
def _revisions(place: Path) -> tuple[str, ...]:
    """Return the revisions in their order, by the names of the scripts: `v0001_initial.py` is "0001"."""
    return tuple(sorted(script.stem[1:5] for script in (place / "versions").glob("v*.py")))


def refuse_strange(state: SchemaState, url: URL) -> None:
    """Raise `StoreUnusableError` for what is not ours to use, as it is."""
    if state is SchemaState.UNKNOWN:
        raise StoreUnusableError(
            f"storage {shown(url)}: written by a newer version of this program, or by another; "
            "upgrade this program, or name another database"
        )
    if state is SchemaState.FOREIGN:
        raise StoreUnusableError(f"storage {shown(url)}: holds another program's tables; name another database")
    if state is SchemaState.UNFINISHED:
        raise StoreUnusableError(
            f"storage {shown(url)}: a copy into it has not ended; run `optimize storage copy` again, which goes on "
            "where it stopped, or name another database"
        )


def _refuse_open(connection: Connection, url: URL) -> None:
    """Raise `StudyBusyError` while an older program works here: it would write to tables that it does not know."""
    is_open = what_is_open(connection, now=utc_now())
    if is_open:
        raise StudyBusyError(
            f"storage {shown(url)}: written by an older version of this program, which works in it now, so its tables "
            f"are left as they are. {is_open[0]}"
        )


def wait_for_other_upgrades(connection: Connection) -> None:
    """Wait until no other process creates or upgrades tables; from then on none does until the transaction ends."""
    if connection.dialect.name == "postgresql":  # SQLite's write lock is held already
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
