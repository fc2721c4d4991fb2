"""Server and workers as whole processes: what a kill, a stop and a cancel leave behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest
from command_line import Cli
from tiny_checkpoints import save_data, save_tiny

SIZES = {"train": 200, "validation": 160, "test": 140}
TRIALS = 24
PATIENCE_S = 200.0


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("assets")
    save_tiny(root / "model")
    save_data(root / "data", root / "model", SIZES)
    return root


class Server:
    """`optimize serve` with one worker and a short lease."""

    def __init__(self, cli: Cli, *more: str) -> None:
        self.cli = cli
        self.port = free_port()
        command = cli.command("serve", "--port", str(self.port), "--allow-path", str(cli.assets))
        self.log = (cli.root / "server.log").open("ab")
        self.process = subprocess.Popen(
            [*command, "--lease-seconds", "2", *more], env=cli.environment, cwd=cli.root, stderr=self.log
        )
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE_S)
        wait_until(self._answers)

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.cli.root / "server.log").read_text()
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def submit(self, name: str, **changes: object) -> None:
        body = {
            "model": str(self.cli.assets / "model"),
            "task": "colours",
            "data": str(self.cli.assets / "data"),
            "epsilon": 0.3,
            "trials": TRIALS,
            "batch_sizes": [1],
            "measure_seconds": 0.02,
            "calibration_examples": 32,
            "threads": 1,
            "name": name,
            **changes,
        }
        answer = self.http.post("/v1/studies", json=body)
        assert answer.status_code == 201, answer.text

    def state(self, name: str) -> str:
        return str(self.http.get(f"/v1/studies/{name}").json()["state"])

    def finished(self, name: str) -> dict[int, int]:
        """Return how often each candidate was finished, by its number."""
        found: dict[int, int] = {}
        text = self.http.get(f"/v1/studies/{name}/events", params={"follow": "false"}).text
        for block in text.split("\n\n"):
            if "event: candidate" in block:
                number = int(block.split('"number":', 1)[1].split(",", 1)[0])
                found[number] = found.get(number, 0) + 1
        return found

    def workers(self, kind: str = "studies") -> list[psutil.Process]:
        """Return the workers for studies, or for exports."""
        return [each for each in psutil.Process(self.process.pid).children() if kind in each.cmdline()]

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        self.http.close()
        self.log.close()
        if self.process.poll() is None:
            self.stop()


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


class Place:
    """One database with one server at a time: what a test killed is started again by the next that needs it."""

    def __init__(self, cli: Cli) -> None:
        self.cli = cli
        self._server: Server | None = None

    def server(self, *more: str) -> Server:
        if self._server is None or self._server.process.poll() is not None:
            self.close()
            self._server = Server(self.cli, *more)
        return self._server

    def close(self) -> None:
        if self._server is not None:
            self._server.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, assets: Path) -> Iterator[Place]:
    made = Place(Cli(tmp_path_factory.mktemp("place"), assets))
    yield made
    made.close()


def test_a_study_runs_in_no_web_process_and_a_cancel_takes_effect_while_it_runs(place: Place) -> None:
    server = place.server()
    server.submit("long", trials=5000)
    wait_until(lambda: len(server.finished("long")) >= 6)
    if sys.platform == "linux":
        maps = Path(f"/proc/{server.process.pid}/maps").read_text()
        assert not [name for name in ("libtorch", "sklearn", "pandas") if name in maps]
    assert os.getpgid(server.process.pid) == os.getpgid(server.workers()[0].pid)  # Ctrl-C reaches both
    cancel(server, "long")
    stopped_at = len(server.finished("long"))
    assert stopped_at < 5000
    time.sleep(0.5)
    assert len(server.finished("long")) == stopped_at
    assert server.http.post("/v1/studies/long/resume").status_code == 202
    wait_until(lambda: len(server.finished("long")) > stopped_at)
    cancel(server, "long")


def cancel(server: Server, name: str) -> None:
    assert server.http.post(f"/v1/studies/{name}/cancel").status_code == 202
    wait_until(lambda: server.state(name) == "cancelled")


def test_a_killed_worker_is_replaced_a_killed_server_takes_it_along_and_nothing_is_evaluated_twice(
    place: Place,
) -> None:
    first = place.server()
    first.submit("first")
    wait_until(lambda: len(first.finished("first")) >= 6)
    [worker] = first.workers()
    worker.kill()
    wait_until(lambda: len(first.finished("first")) >= 12)
    orphans = [*first.workers(), *first.workers("exports")]
    assert worker not in orphans
    assert len(orphans) == 2
    first.stop(signal.SIGKILL)
    wait_until(lambda: not any(map(runs, orphans)))
    second = place.server()
    wait_until(lambda: second.state("first") == "complete")
    assert second.finished("first") == dict.fromkeys(range(TRIALS), 1)


def test_a_stop_ends_the_candidate_in_flight_and_queues_the_study_again(place: Place) -> None:
    first = place.server()
    first.submit("second")
    wait_until(lambda: len(first.finished("second")) >= 6)
    orphans = first.workers()
    assert first.stop() == 0
    assert not any(map(runs, orphans))
    second = place.server("--workers", "0")
    assert second.state("second") == "queued"
    export = second.http.post("/v1/studies/second/exports", json={"candidate": 0}).headers["Location"]
    for only, state in (("studies", "queued"), ("exports", "done")):  # of the export
        done = place.cli("worker", "--only", only, "--until-idle", "--allow-path", str(place.cli.assets))
        assert done.returncode == 0, done.stderr
        assert second.http.get(export).json()["state"] == state
        assert second.state("second") == "complete"
    assert second.finished("second") == dict.fromkeys(range(TRIALS), 1)


def test_a_server_killed_while_its_worker_still_starts_leaves_no_orphan(tmp_path: Path, assets: Path) -> None:
    cli = Cli(tmp_path, assets)
    server = subprocess.Popen(cli.command("serve", "--port", str(free_port())), env=cli.environment, cwd=cli.root)
    children = psutil.Process(server.pid).children
    wait_until(lambda: bool(children()))
    orphans = children()
    server.kill()
    server.wait()
    wait_until(lambda: not any(map(runs, orphans)))
    assert orphans and not any(map(runs, orphans))


def runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
