"""A worker frozen past its lease wakes up when another host has its study: it writes nothing, and lives on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from command_line import Cli
from postgresql import new_database
from served import save_assets
from sqlalchemy import text

from api.runner.worker import Worker
from optimizer.spec import StudySpec
from studies.opening import open_service
from studies.records import StudyState
from studies.sql.service import SqlService

TRIALS = 16
PATIENCE_S = 200.0
LEASE_S = 2.0
AS_HOST = """
import gc, json, socket, sys
gc.disable()  # it lives for seconds, most of which go into imports
from api.runner import lease
socket.gethostname = lambda: "first"
lease.BEAT_S, lease.BEATS = 600, 1 / 300  # only a write can tell it that its lease is gone
from api.cli.app import run
for line in sys.stdin:
    sys.argv = ["optimize", *json.loads(line)]
    print(run(), flush=True)
"""


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


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_assets(tmp_path_factory.mktemp("assets"))


class Host:
    """A process on a host named "first": one worker after the other, which never renews its lease of two seconds."""

    def __init__(self, root: Path, assets: Path) -> None:
        self.cli = Cli(root, assets)
        self.log = root / "first.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", AS_HOST],
                env=self.cli.environment,
                cwd=root,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    @contextmanager
    def working(self, url: str) -> Iterator[None]:
        """Have a worker for this database, until it is told to stop."""
        assert self.process.stdin is not None and self.process.stdout is not None
        options = ["--storage", url, *self.cli.shared[2:], "worker", "--lease-seconds", str(LEASE_S)]
        self._said_before = len(self.log.read_text())
        self.process.stdin.write(json.dumps([*options, "--allow-path", str(self.cli.assets)]) + "\n")
        self.process.stdin.flush()
        try:
            yield
        finally:
            for number in (signal.SIGCONT, signal.SIGTERM):
                self.process.send_signal(number)
        assert self.process.stdout.readline() == "0\n"

    def said(self) -> str:
        """Return what this worker logged."""
        return self.log.read_text()[self._said_before :]

    def said_of_its_job(self) -> list[str]:
        """Return what it logged of its job, that it took it first."""
        return [line for line in self.said().splitlines() if " job 1" in line]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, assets: Path) -> Iterator[Host]:
    made = Host(tmp_path_factory.mktemp("first"), assets)
    with made.process:
        yield made
        made.process.kill()


@contextmanager
def second_host(url: str, cache: Path) -> Iterator[None]:
    """Have a worker of another host at work, in a thread."""
    service = open_service(url)
    worker = Worker(service, cache, cache / "artifacts", lease_s=LEASE_S, name="second")
    thread = Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        worker.stopping.set()
        thread.join()
        service.close()


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
    service: SqlService, host: Host, url: str, tmp_path: Path, assets: Path
) -> None:
    spec = StudySpec(
        model=str(assets / "model"),
        task="colours",
        data=str(assets / "data"),
        epsilon=0.3,
        trials=TRIALS,
        batch_sizes=(1,),
        calibration_examples=32,
        threads=1,
        measure_seconds=0.02,
    )
    study = service.submit("s", spec.model_dump(mode="json"))
    with host.working(url):
        wait_until(lambda: len(finished(service)) >= 5)
        freeze(host, service)
        with second_host(url, tmp_path / "cache"):
            has_it = lambda: service.jobs.jobs(study.id)[0].worker == "second"  # noqa: E731
            wait_until(lambda: has_it() and service.store.study("s").state is StudyState.RUNNING)
            host.process.send_signal(signal.SIGCONT)
            wait_until(lambda: len(host.said_of_its_job()) > 1)
            assert "is left alone" in host.said_of_its_job()[1]
            wait_until(lambda: service.store.study("s").state not in (StudyState.RUNNING, StudyState.QUEUED))
        assert service.store.study("s").state is StudyState.COMPLETE
        assert sorted(finished(service)) == list(range(TRIALS))
        states = [event.data["state"] for event in service.events.after(0, limit=10_000) if event.kind == "state"]
        assert states == ["queued", "running", "queued", "running", "complete"]
        assert host.process.poll() is None
        assert "Traceback" not in host.said()
