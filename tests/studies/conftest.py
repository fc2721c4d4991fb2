"""Databases and stores for the tests: a SQLite file new for every test, and a PostgreSQL server for all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgresql import new_database
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
def service_database_url(server_url: str) -> str:
    return new_database(server_url, "service")
