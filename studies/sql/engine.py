"""Opening a database: which URLs are accepted, and the settings that let several processes share one SQLite file.

SQLite runs in WAL mode, so readers never wait, and a write transaction takes the write lock when it begins
(`BEGIN IMMEDIATE`): one that read first and wanted to write later could only fail. A reader opens the file read-only
and never makes one. PostgreSQL writes under row locks, and reads in one snapshot.
"""

from __future__ import annotations

import os
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from studies.limits import CONNECTIONS_AT_NEED, OF_A_PROGRAM, Limits
from studies.sql.idle import ask_idle_connections
from studies.sql.kinds import read_json
from studies.store import StoreUnusableError

CONNECT_TIMEOUT_S = 10
IDLE_IN_TRANSACTION_S = 60  # after it the locks of a frozen process are let go
IDLE_READING_S = 900  # for reads of whole studies, which hold no locks and make records between two statements
_FORMS = "sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE"


def parsed_url(text: str) -> URL:
    """Return a database URL of a supported kind. Raises `StoreUnusableError` for any other text."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        shown = "the text given" if "@" in text else repr(text)  # it may hold a password
        raise StoreUnusableError(f"storage: {shown} is not a database URL; give {_FORMS}") from error
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise StoreUnusableError(f"storage: {url.get_backend_name()!r} is not supported; give {_FORMS}")
    if is_sqlite(url) and (url.database in (None, "", ":memory:") or url.query or url.drivername.endswith("aiosqlite")):
        raise StoreUnusableError("storage: a SQLite database is a file and takes no options; give sqlite:///FILE")
    return url


def is_sqlite(url: URL) -> bool:
    """Whether the URL names a SQLite file."""
    return url.get_backend_name() == "sqlite"


def database_file(url: URL) -> Path:
    """Return the absolute path of a SQLite URL."""
    return Path(url.database or "").expanduser().absolute()


def new_engine(url: URL, *, read_only: bool, limits: Limits = OF_A_PROGRAM) -> Engine:
    """Return an engine within these limits.

    A missing SQLite file, with its directories, is made unless `read_only`.

    Raises `StoreUnusableError` for a missing file or driver.
    """
    try:
        make = _sqlite_engine if is_sqlite(url) else _server_engine
        return make(url, read_only=read_only, limits=limits)
    except ImportError as error:
        raise StoreUnusableError(
            f"storage: the driver of {url.drivername} is not installed ({error}); "
            'run pip install "pruning-optimizer[postgres]"'
        ) from error


def _read_json_here(engine: Engine) -> None:
    """Have JSON data come as texts, and read them by one function, which a long study calls a million times."""
    of_database = engine.dialect.colspecs[JSON]
    read_here = type("ReadJson", (of_database,), {"result_processor": lambda *_: read_json})
    engine.dialect.colspecs = {**engine.dialect.colspecs, JSON: read_here}


def writing(engine: Engine) -> Engine:
    """Return the engine with transactions that take the write lock at once."""
    return engine.execution_options(sqlite_begin="IMMEDIATE")


def reading(engine: Engine) -> Engine:
    """Return the engine with transactions that see one snapshot and write nothing."""
    if engine.dialect.name == "sqlite":
        return engine  # a deferred transaction is one
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def allow_long_reading(connection: Connection) -> None:
    """Let the present transaction, which writes nothing, do much between two statements."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = {round(IDLE_READING_S * 1000)}")


def glancing(engine: Engine) -> Engine:
    """Return the engine without transactions: every statement stands alone."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(sqlite_begin=None)
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def share_among_processes(engine: Engine) -> None:
    """Put a SQLite file into WAL mode, which the file remembers; anything else is left alone."""
    if engine.dialect.name == "sqlite":
        with closing(engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute("PRAGMA journal_mode = WAL")


def _server_engine(url: URL, *, read_only: bool, limits: Limits) -> Engine:
    options: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT_S}  # Any: the driver's keyword arguments
    if read_only:
        options["options"] = "-c default_transaction_read_only=on"
    engine = create_engine(url, connect_args=options, **_pool(limits))
    _read_json_here(engine)
    event.listen(engine, "connect", partial(_set_up_server, limits))
    ask_idle_connections(engine)
    return engine


def _pool(limits: Limits) -> dict[str, Any]:  # Any: keyword arguments
    return {"pool_size": limits.connections, "max_overflow": CONNECTIONS_AT_NEED}


def _set_up_server(limits: Limits, connection: Any, _record: object) -> None:  # Any: the driver's own connection
    from psycopg.types.string import TextLoader  # who uses SQLite need not have it

    seconds = {
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_S,
        "statement_timeout": limits.statement_s or 0,  # 0: none
        "lock_timeout": limits.lock_s,
    }
    connection.adapters.register_loader("json", TextLoader)
    with closing(connection.cursor()) as cursor:
        for name, value in seconds.items():
            cursor.execute(f"SET {name} = {round(value * 1000)}")
    connection.commit()


def _sqlite_engine(url: URL, *, read_only: bool, limits: Limits) -> Engine:
    path = database_file(url)
    if read_only and not path.is_file():
        raise StoreUnusableError(f"storage {url}: there is no such database; run a study there first, or name another")
    if not read_only:
        _make_directory(path.parent, url)
    query = {"uri": "true"} | _access(path, read_only=read_only)
    engine = create_engine(URL.create("sqlite", database=path.as_uri(), query=query), **_pool(limits))
    _read_json_here(engine)
    event.listen(engine, "connect", partial(_set_up_sqlite, limits))
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _access(path: Path, *, read_only: bool) -> dict[str, str]:
    """Say how SQLite opens the file.

    In a directory where no lock file can be made, a database that no process has open is read as it is.
    """
    if not read_only:
        return {"mode": "rwc"}
    is_still = not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists()
    return {"mode": "ro", "immutable": "1"} if is_still else {"mode": "ro"}


def _make_directory(directory: Path, url: URL) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnusableError(
            f"storage {url}: the directory {directory} cannot be made ({error}); name a file where you may write"
        ) from error


def _set_up_sqlite(limits: Limits, connection: Any, _record: object) -> None:  # Any: the driver's own connection
    connection.isolation_level = None  # `_begin_sqlite` begins; the driver would begin late, and never for DDL
    with closing(connection.cursor()) as cursor:
        cursor.execute(f"PRAGMA busy_timeout = {round(limits.lock_s * 1000)}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA synchronous = NORMAL")  # with WAL: sound after any kill, one fsync per checkpoint


def _begin_sqlite(connection: Connection) -> None:
    kind = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
    if kind is not None:
        connection.exec_driver_sql(f"BEGIN {kind}")
