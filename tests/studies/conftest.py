"""Databases and stores for the tests: a SQLite file new for every test, and a PostgreSQL server for all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgresql import empty, new_database
from service_examples import Clock

from studies.opening import open_store
from studies.sql.store import SqlStore


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'studies.sqlite'}"


@pytest.fixture
def sqlite_store(sqlite_url: str) -> Iterator[SqlStore]:
    store = open_store(sqlite_url)
    yield store
    store.close()


@pytest.fixture
def database_url(server_url: str) -> str:
    return new_database(server_url, "studies")


@pytest.fixture(scope="session")
def postgresql_store(server_url: str) -> Iterator[SqlStore]:
    store = open_store(new_database(server_url, "contract"))
    yield store
    store.close()


@pytest.fixture
def emptied_store(postgresql_store: SqlStore) -> SqlStore:
    """One store for all tests, which each of them finds as if it were new."""
    empty(postgresql_store.database.engine)
    return postgresql_store


@pytest.fixture
def postgresql_url(emptied_store: SqlStore) -> str:
    return emptied_store.database.url.render_as_string(hide_password=False)
