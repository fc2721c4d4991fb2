"""A service over a database of its own, with a tiny model and data below its one allowed directory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tiny_checkpoints import save_data, save_tiny

from api.http.app import create_app
from api.http.settings import Settings
from api.runner.worker import Worker
from studies.opening import open_service

SIZES = {"train": 200, "validation": 160, "test": 140}


class Place:
    """Where one service lives."""

    def __init__(self, root: Path, assets: Path) -> None:
        self.settings = Settings(
            storage=f"sqlite:///{root}/s.sqlite",
            cache_dir=root / "cache",
            artifacts=root / "artifacts",
            roots=(assets,),
        )
        self.root, self.assets = root, assets

    def request(self, **changes: object) -> dict[str, object]:
        fields = {
            "model": str(self.assets / "model"),
            "task": "colours",
            "data": str(self.assets / "data"),
            "epsilon": 0.3,
            "trials": 6,
            "batch_sizes": [1],
            "measure_seconds": 0.02,
            "calibration_examples": 32,
            "threads": 1,
        }
        return {**fields, **changes}

    def client(self, **headers: str) -> TestClient:
        return TestClient(create_app(self.settings), base_url="http://127.0.0.1:8000", headers=headers)

    def work(self) -> None:
        service = open_service(self.settings.storage)
        try:
            Worker(service, self.settings.cache_dir, self.settings.artifacts, roots=self.settings.roots).run(
                until_idle=True
            )
        finally:
            service.close()


@pytest.fixture(scope="session")
def served_assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("served")
    save_tiny(root / "model")
    save_data(root / "data", root / "model", SIZES)
    return root


@pytest.fixture
def place(tmp_path: Path, served_assets: Path) -> Place:
    return Place(tmp_path, served_assets)


@pytest.fixture
def client(place: Place) -> Iterator[TestClient]:
    with place.client() as made:
        yield made


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, served_assets: Path) -> Callable[[str], Path]:
    """Return the files of a service with one finished study named "first", by the changes of its request as JSON."""

    @cache
    def files(changes: str) -> Path:
        made = Place(tmp_path_factory.mktemp("finished"), served_assets)
        with made.client() as client:
            asked = made.request(name="first", **json.loads(changes))
            assert client.post("/v1/studies", json=asked).status_code == 201
            made.work()
        return made.root

    return files


@pytest.fixture(scope="module")
def done(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    served_assets: Path,
    finished: Callable[[str], Path],
) -> Iterator[tuple[Place, TestClient]]:
    """A service with one finished study named "first", on files of its own; a module's `FIRST` changes its request."""
    files = finished(json.dumps(getattr(request.module, "FIRST", {})))
    place = Place(shutil.copytree(files, tmp_path_factory.mktemp("done") / "place"), served_assets)
    with place.client() as made:
        yield place, made


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, served_assets: Path) -> Iterator[tuple[Place, TestClient]]:
    """A service for many requests that it is to refuse, so that it stays empty."""
    asked = Place(tmp_path_factory.mktemp("empty"), served_assets)
    asked.settings = asked.settings.model_copy(update={"requests_per_minute": 10**6})
    with asked.client() as made:
        yield asked, made
