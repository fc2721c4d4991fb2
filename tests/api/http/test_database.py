"""The service over databases that are PostgreSQL, go away and come back, or are full."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from postgresql import new_database, start_server, url_of

from api.runner.worker import Worker
from optimizer.evaluation.evaluate import Evaluator
from optimizer.evaluation.rivals import Rival
from search_spaces.config import Config
from studies.opening import open_service
from studies.records import Outcome

PATIENCE_S = 200.0


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A PostgreSQL that tests may stop, and start again."""
    server = start_server(tmp_path_factory.mktemp("pg"))
    yield server
    server.start()
    server.cleanup()


def on_database(place: Any, url: str) -> Any:
    place.settings = place.settings.model_copy(update={"storage": url})
    return place


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def test_the_whole_way_on_postgresql(place: Any, server_url: str) -> None:
    on_database(place, new_database(server_url, "served"))
    with place.client() as client:
        assert client.post("/v1/studies", json=place.request(name="first")).status_code == 201
        place.work()
        assert client.get("/v1/studies/first").json()["state"] == "complete"
        front = client.get("/v1/studies/first/front")
        tag = {"If-None-Match": front.headers["ETag"]}
        assert front.json()["items"]
        assert client.get("/v1/studies/first/front", headers=tag).status_code == 304
        events = client.get("/v1/studies/first/events", params={"follow": "false"}).text
        assert events.count("event: candidate") == place.request()["trials"]
        assert client.delete("/v1/studies/first").status_code == 204


def test_a_lost_database_is_unavailable_until_it_returns_and_nothing_is_lost(place: Any, own_server: Any) -> None:
    on_database(place, new_database(url_of(own_server), "served"))
    with place.client() as client:
        assert client.post("/v1/studies", json=place.request(name="kept")).status_code == 201
        own_server.stop()
        for method, path in (("GET", "/v1/studies"), ("GET", "/v1/studies/kept/front"), ("GET", "/readyz")):
            answer = client.request(method, path)
            assert answer.status_code == 503, answer.text
            assert answer.headers["Content-Type"] == "application/problem+json"
        assert client.post("/v1/studies", json=place.request(name="lost")).status_code == 503
        assert client.get("/healthz").status_code == 200
        own_server.start()
        assert client.get("/readyz").status_code == 200
        assert [item["study"] for item in client.get("/v1/studies").json()["items"]] == ["kept"]


def test_a_worker_outlives_a_lost_database_and_repeats_nothing(
    place: Any, own_server: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_database(place, new_database(url_of(own_server), "served"))
    trials, before = 12, 5
    asked, is_reached, is_gone, evaluate = count(), threading.Event(), threading.Event(), Evaluator.evaluate

    def evaluated(evaluator: Evaluator, config: Config, rivals: Sequence[Rival]) -> Outcome:
        if next(asked) == before:
            is_reached.set()
            assert is_gone.wait(PATIENCE_S)
        return evaluate(evaluator, config, rivals)

    monkeypatch.setattr(Evaluator, "evaluate", evaluated)
    service = open_service(place.settings.storage)
    worker = Worker(service, place.settings.cache_dir, place.settings.artifacts, lease_s=2.0)
    thread = threading.Thread(target=worker.run)
    with place.client() as client:
        client.post("/v1/studies", json=place.request(name="s", trials=trials))
        thread.start()
        try:
            assert is_reached.wait(PATIENCE_S)
            own_server.stop()
            is_gone.set()
            wait_until(lambda: "waits for the database" in caplog.text)
            own_server.start()
            wait_until(lambda: client.get("/v1/studies/s").json()["state"] == "complete")
        finally:
            is_gone.set()
            worker.stopping.set()
            thread.join()
        assert finished(client, "s") == trials
    service.close()


def finished(client: TestClient, name: str) -> int:
    return client.get(f"/v1/studies/{name}/events", params={"follow": "false"}).text.count("event: candidate")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "small"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted without root")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_is_unavailable_and_what_was_stored_stays(place: Any, small_disk: Path) -> None:
    on_database(place, f"sqlite:///{small_disk}/s.sqlite")
    with place.client() as client:
        assert client.post("/v1/studies", json=place.request(name="kept")).status_code == 201
        with (small_disk / "ballast").open("wb", buffering=0) as ballast, pytest.raises(OSError, match="No space"):
            while True:
                ballast.write(b"\0" * 4096)
        answers = [client.post("/v1/studies", json=place.request(name=f"n{i}")) for i in range(20)]
        assert answers[-1].status_code == 503, answers[-1].text
        assert "nothing of this request was kept" in answers[-1].json()["detail"]
        assert str(small_disk) not in answers[-1].text
        accepted = {f"n{i}" for i, answer in enumerate(answers) if answer.status_code == 201}
        assert {answer.status_code for answer in answers} <= {201, 503}
        (small_disk / "ballast").unlink()
        assert client.post("/v1/studies", json=place.request(name="later")).status_code == 201
        listed = {item["study"] for item in client.get("/v1/studies").json()["items"]}
        assert listed == {"kept", "later", *accepted}


def test_a_server_whose_database_a_newer_program_has_upgraded_is_not_ready(place: Any) -> None:
    with place.client() as client:
        assert client.get("/readyz").status_code == 200
        with closing(sqlite3.connect(place.settings.storage.removeprefix("sqlite:///"))) as upgraded:
            upgraded.execute("UPDATE alembic_version SET version_num = '9999'")
            upgraded.commit()
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200


def test_events_beyond_their_retention_are_deleted_but_the_last_thousand(place: Any) -> None:
    service = open_service(place.settings.storage)
    study = service.store.create_study("s", {"epsilon": 0.1})
    for number in range(1100):
        service.events.append(study.id, "stage", {"done": number})
    latest = service.events.latest()
    place.settings = place.settings.model_copy(update={"event_retention_s": 0.0})
    with place.client():
        wait_until(lambda: len(service.events.after(0, limit=5000)) == 1000)
    assert service.events.after(0, limit=5000)[-1].sequence == latest
    service.close()
