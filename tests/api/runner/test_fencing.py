"""A worker frozen past its lease wakes up when another host has its study: it writes nothing, and lives on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import Cli
from postgresql import new_database
from sqlalchemy import text
from tiny_checkpoints import save_data, save_tiny

from optimizer.spec import StudySpec
from studies.opening import open_service
from studies.records import StudyState
from studies.sql.service import SqlService

SIZES = {"train": 200, "validation": 160, "test": 140}
TRIALS = 16
PATIENCE_S = 120.0
AS_HOST = """
import socket
from api.runner import lease
socket.gethostname = lambda: {host!r}
lease.BEAT_S, lease.BEATS = {beat_s}, 2 / {beat_s}  # a lease lasts two seconds here
from api.cli import main
main()
"""
NEVER_S = 600.0


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/s.sqlite"
    return new_database(request.getfixturevalue("server_url"), "fencing")


@pytest.fixture
def service(url: str) -> Iterator[SqlService]:
    service = open_service(url)
    yield service
    service.close()


class Host:
    """A worker on a host of this name, which renews its lease every `beat_s` seconds."""

    def __init__(self, cli: Cli, url: str, name: str, beat_s: float) -> None:
        self.log = cli.root / f"{name}.log"
        options = ["--storage", url, "--cache-dir", str(cli.root / "cache"), "worker", "--lease-seconds", "2"]
        options += ["--allow-path", str(cli.root)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", AS_HOST.format(host=name, beat_s=beat_s), *options],
                env=cli.environment,
                cwd=cli.root,
                stderr=log,
            )

    def close(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait(PATIENCE_S)


@pytest.fixture
def on_host(tmp_path: Path, url: str) -> Iterator[Callable[..., Host]]:
    save_tiny(tmp_path / "model")
    save_data(tmp_path / "data", tmp_path / "model", SIZES)
    hosts: list[Host] = []

    def start(name: str, *, beat_s: float) -> Host:
        hosts.append(Host(Cli(tmp_path, tmp_path), url, name, beat_s))
        return hosts[-1]

    yield start
    for host in hosts:
        host.close()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def finished(service: SqlService) -> list[int]:
    return [event.data["number"] for event in service.events.after(0, limit=10_000) if event.kind == "candidate"]


def freeze(host: Host, service: SqlService) -> None:
    """Stop a worker where it holds no lock: what waits for a lock of a frozen process is another matter."""
    while True:
        host.process.send_signal(signal.SIGSTOP)
        with service.database.engine.connect() as connection:
            begin = "PRAGMA busy_timeout = 50" if service.database.is_file else "SET lock_timeout = 50"
            connection.execute(text(begin))
            try:
                connection.execute(text("UPDATE studies SET slug = slug"))
            except Exception:
                host.process.send_signal(signal.SIGCONT)
                time.sleep(0.03)
                continue
            finally:
                connection.rollback()
                connection.invalidate()
        return


def test_a_frozen_worker_wakes_up_and_leaves_the_study_to_the_other_host(
    service: SqlService, on_host: Callable[..., Host], tmp_path: Path
) -> None:
    spec = StudySpec(
        model=str(tmp_path / "model"),
        task="colours",
        data=str(tmp_path / "data"),
        epsilon=0.3,
        trials=TRIALS,
        batch_sizes=(1,),
        calibration_examples=32,
        threads=1,
        measure_seconds=0.2,
    )
    study = service.submit("s", spec.model_dump(mode="json"))
    first = on_host("first", beat_s=NEVER_S)  # only a write can tell it that its lease is gone
    wait_until(lambda: len(finished(service)) >= 5)
    freeze(first, service)
    second = on_host("second", beat_s=0.5)
    has_it = lambda: (service.jobs.jobs(study.id)[0].worker or "").startswith("second")  # noqa: E731
    wait_until(lambda: has_it() and service.store.study("s").state is StudyState.RUNNING)
    first.process.send_signal(signal.SIGCONT)
    wait_until(lambda: "is left alone" in first.log.read_text())
    wait_until(lambda: service.store.study("s").state not in (StudyState.RUNNING, StudyState.QUEUED))
    assert service.store.study("s").state is StudyState.COMPLETE, second.log.read_text()
    assert sorted(finished(service)) == list(range(TRIALS))
    states = [event.data["state"] for event in service.events.after(0, limit=10_000) if event.kind == "state"]
    assert states == ["queued", "running", "queued", "running", "complete"]
    assert first.process.poll() is None
    assert "Traceback" not in first.log.read_text()
