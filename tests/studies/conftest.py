"""Stores for the tests: one per backend, each new for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from studies.opening import open_store
from studies.sql.store import SqlStore


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'studies.sqlite'}"


@pytest.fixture
def sqlite_store(sqlite_url: str) -> Iterator[SqlStore]:
    store = open_store(sqlite_url)
    yield store
    store.close()
