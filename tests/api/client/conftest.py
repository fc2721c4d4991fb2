"""A real server in a thread, new for every test, and one that has a finished study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from served import Place, save_assets


@pytest.fixture(scope="session")
def served_assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_assets(tmp_path_factory.mktemp("served"))


@pytest.fixture
def place(tmp_path: Path, served_assets: Path) -> Iterator[Place]:
    made = Place(tmp_path, served_assets)
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, served_assets: Path) -> Iterator[Place]:
    """A service with one finished study named "first"."""
    finished = Place(tmp_path_factory.mktemp("done"), served_assets)
    finished.start()
    try:
        with finished.client() as client:
            client.submit(finished.spec(), name="first")
        finished.work()
        yield finished
    finally:
        finished.stop()
