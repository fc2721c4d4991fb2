"""What the service costs, as ratios to bare FastAPI routes on the same database in the same run.

    python -m benchmarks.service [--storage URL] [--candidates 10000] [--copies 100] [--json]

Without --storage a new SQLite file is used; a PostgreSQL URL must name an empty database. Rounds of the service and of
the yardstick alternate, so that what else the machine does falls on both. The load itself runs beside the servers and
takes its share of both.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.error import URLError
from urllib.request import Request, urlopen

import numpy as np

from benchmarks.bare import BODY_BYTES, STORAGE
from benchmarks.command import OPTIMIZE
from benchmarks.filling import fill, multiply
from benchmarks.load import Target, ask
from studies.opening import open_service

ROUNDS, REQUESTS, MANY = 10, 300, 50
STUDY = "large"


@dataclass(frozen=True)
class Pair:
    """One way of asking the service, and its yardstick."""

    service: Target
    bare: Target

    def ratio(self, *, clients: int, quantile: float) -> float:
        """Return the median over rounds of the ratio of the two quantiles of time."""
        return median(
            float(np.quantile(ask(self.service, clients=clients, requests=REQUESTS), quantile))
            / float(np.quantile(ask(self.bare, clients=clients, requests=REQUESTS), quantile))
            for _ in range(ROUNDS)
        )


def main() -> None:
    """Print the ratios."""
    options = _parser().parse_args()
    with TemporaryDirectory() as place:
        root = Path(place)
        storage = options.storage or f"sqlite:///{root}/service.sqlite"
        print(f"storing a study of {options.candidates} candidates", file=sys.stderr)
        service = open_service(storage)
        study = fill(service, STUDY, options.candidates)
        found = _measure(storage, root)
        if options.copies > 1:
            print(f"storing it {options.copies} times", file=sys.stderr)
            before = found["front, 1 client, median"]
            multiply(service.database, study, options.copies - 1)
            after = _measure(storage, root)
            found |= {f"{name}, {options.copies} studies": ratio for name, ratio in after.items()}
            found["front, slower by"] = after["front, 1 client, median"] / before
        service.close()
    if options.json:
        print(json.dumps(found))
    else:
        print("\n".join(f"{name:<60} {ratio:.2f}" for name, ratio in found.items()))


def _measure(storage: str, root: Path) -> dict[str, float]:
    with _service(storage, root) as address:
        front = f"{address}/v1/studies/{STUDY}/front"
        with urlopen(front) as answer:
            body, tag = answer.read(), answer.headers["ETag"]
        with _bare(storage, len(body)) as bare:
            whole = Pair(Target(front), Target(f"{bare}/body/{STUDY}"))
            unchanged = Pair(Target(front, 304, {"If-None-Match": tag}), Target(f"{bare}/unchanged/{STUDY}", 304))
            return {
                "front, 1 client, median": whole.ratio(clients=1, quantile=0.5),
                f"front, {MANY} clients, p99": whole.ratio(clients=MANY, quantile=0.99),
                "front unchanged (304), 1 client, median": unchanged.ratio(clients=1, quantile=0.5),
                f"front unchanged (304), {MANY} clients, p99": unchanged.ratio(clients=MANY, quantile=0.99),
            }


@contextmanager
def _service(storage: str, root: Path) -> Iterator[str]:
    port = free_port()
    with running(serve_command(storage, root, port), f"http://127.0.0.1:{port}", "/healthz") as address:
        yield address


def serve_command(storage: str, root: Path, port: int, *more: str) -> list[str]:
    """Return the command that serves a database, without limits on rates."""
    options = ["--storage", storage, "--cache-dir", str(root / "cache"), "--requests-per-minute", "100000000"]
    return [sys.executable, "-c", OPTIMIZE, "serve", "--port", str(port), *(more or ("--workers", "0")), *options]


@contextmanager
def _bare(storage: str, body_bytes: int) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "benchmarks.bare:create_bare_app"]
    command += ["--port", str(port), "--no-access-log", "--log-level", "warning"]
    environment = {STORAGE: storage, BODY_BYTES: str(body_bytes)}
    with running(command, f"http://127.0.0.1:{port}", "/docs", environment) as address:
        yield address


@contextmanager
def running(
    command: list[str], address: str, ready: str, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run a server until the block ends. Raises `RuntimeError` where it does not come up."""
    process = subprocess.Popen(command, env=os.environ | dict(environment or {}), stderr=subprocess.DEVNULL)
    try:
        _wait_for(address + ready, process)
        yield address
    finally:
        process.terminate()
        process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(Request(url)):
                return
        except URLError:
            time.sleep(0.1)
    raise RuntimeError(f"no server came up at {url}")


def free_port() -> int:
    """Return a port that nothing listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--storage", help="URL of an empty database; default: a new SQLite file")
    parser.add_argument("--candidates", type=int, default=10_000)
    parser.add_argument("--copies", type=int, default=1, help="100 of 10,000 candidates are a million")
    parser.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    main()
