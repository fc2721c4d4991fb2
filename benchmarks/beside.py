"""What serving fronts costs a study that runs on the same machine.

    python -m benchmarks.beside [--model M --task T --data D --epsilon E --trials N] [--rate 20] [--rounds 1] [--json]

One worker runs the same search twice a round. One candidate is evaluated while a client asks for the front so many
times a second, the next in quiet, and so on; the second run has it the other way round. Both evaluate the same
candidates, so each is compared with itself, and the next one, which had it the other way, takes off what the machine's
own speed did between the two runs. Candidates that were given up at once are left out: asking begins a moment late.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from math import log
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import numpy as np
from scipy.stats import bootstrap

from benchmarks.command import OPTIMIZE
from benchmarks.service import free_port, running, serve_command
from benchmarks.workload import add_workload_options, spec_of
from studies.events import CANDIDATE, STAGE
from studies.opening import open_service
from studies.sql.service import SqlService

AFTER_SEARCH = {"verify", "measure"}
LOOKING_S, SHORTEST_S, MANY = 0.02, 0.3, 1000
HEAD_BYTES = 65_536


def main() -> None:
    """Print by what share candidates are slower while fronts are asked, with its interval."""
    options = _parser().parse_args()
    with TemporaryDirectory() as place:
        root = Path(place)
        storage = f"sqlite:///{root}/service.sqlite"
        service = open_service(storage)
        worker = [sys.executable, "-c", OPTIMIZE, "worker", "--storage", storage, "--cache-dir", str(root / "cache")]
        server = serve_command(storage, root, port := free_port())
        with running(server, f"http://127.0.0.1:{port}", "/healthz") as address, _working(worker):
            searches = Searches(options, service, address)
            searches.seconds("first", asked=-1)  # fills the bank
            rounds = [
                (searches.seconds(f"even-{number}", asked=0), searches.seconds(f"odd-{number}", asked=1))
                for number in range(options.rounds)
            ]
        service.close()
    found = _compared(rounds) | {"fronts answered": searches.answered}
    print(json.dumps(found) if options.json else "\n".join(f"{name:<16} {value}" for name, value in found.items()))


class Searches:
    """Runs one search after the other in the worker that waits for them."""

    def __init__(self, options: argparse.Namespace, service: SqlService, address: str) -> None:
        self._options, self._service, self._address = options, service, address
        self.answered = 0

    def seconds(self, slug: str, *, asked: int) -> list[float]:
        """Return the seconds that each candidate but the first took; fronts are asked for during those of a parity."""
        study = self._service.submit(slug, spec_of(self._options, seed=0).model_dump(mode="json"))
        events, ends = self._service.events, []
        with _asking(f"{self._address}/v1/studies/{slug}/front", self._options.rate) as client:
            sequence, is_searching = 0, True
            while is_searching:
                for event in events.after(sequence, limit=MANY, study_id=study.id):
                    sequence = event.sequence
                    is_searching &= not (event.kind == STAGE and event.data["stage"] in AFTER_SEARCH)
                    if event.kind == CANDIDATE:
                        ends.append(event.created_at)
                client.is_on.set() if ends and len(ends) % 2 == asked else client.is_on.clear()
                time.sleep(LOOKING_S)
        self._service.jobs.request_cancel(study.id)  # what follows the search is the same for all
        self.answered += client.answered
        return [(end - before).total_seconds() for before, end in pairwise(ends)]


def _compared(rounds: Sequence[tuple[Sequence[float], Sequence[float]]]) -> dict[str, object]:
    """Return the slowdown, and its 95 % interval over pairs of candidates that follow each other."""
    slower = [
        (log(odd[i] / even[i]) + log(even[i + 1] / odd[i + 1])) / 2  # asked over quiet, both times
        for even, odd in rounds
        for i in range(0, len(even) - 1, 2)
        if min(*even[i : i + 2], *odd[i : i + 2]) > SHORTEST_S
    ]
    found = bootstrap((slower,), np.median, rng=np.random.default_rng(0))
    return {
        "slower by": float(np.expm1(np.median(slower))),
        "interval": [float(np.expm1(bound)) for bound in found.confidence_interval],
        "pairs": len(slower),
        "seconds each": float(np.median(np.concatenate([np.concatenate(pair) for pair in rounds]))),
    }


class Client:
    """Asks for a URL at a rate while it is on, over one connection and as cheaply as can be."""

    def __init__(self, url: str, rate: float) -> None:
        self._parts, self._rate = urlsplit(url), rate
        self.is_on, self.is_over, self.answered = threading.Event(), threading.Event(), 0

    def run(self) -> None:
        """Ask until it is over."""
        request = f"GET {self._parts.path} HTTP/1.1\r\nHost: {self._parts.netloc}\r\n\r\n".encode()
        while not self.is_on.wait(LOOKING_S):  # a server closes connections that are not used for long
            if self.is_over.is_set():
                return
        with socket.create_connection((self._parts.hostname, self._parts.port)) as connection:
            due = time.monotonic()
            while not self.is_over.is_set():
                due = max(due + 1 / self._rate, time.monotonic() - 1)
                if self.is_on.is_set():
                    connection.sendall(request)
                    self._read(connection)
                self.is_over.wait(max(0.0, due - time.monotonic()))

    def _read(self, connection: socket.socket) -> None:
        head, _, body = connection.recv(HEAD_BYTES).partition(b"\r\n\r\n")
        status, *fields = head.split(b"\r\n")
        if b" 200 " not in status:
            raise RuntimeError(f"{self._parts.path} answered {status!r}")
        length = next(int(field.split(b":")[1]) for field in fields if field.lower().startswith(b"content-length"))
        while len(body) < length:
            body += connection.recv(length)
        self.answered += 1


@contextmanager
def _asking(url: str, rate: float) -> Iterator[Client]:
    """Run a client beside the block."""
    client = Client(url, rate)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(client.run)
        try:
            yield client
        finally:
            client.is_over.set()
        running.result()  # raises what the client met


@contextmanager
def _working(command: Sequence[str]) -> Iterator[None]:
    """Run a worker beside the block."""
    worker = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        worker.terminate()
        worker.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_workload_options(parser)
    parser.add_argument("--rate", type=float, default=20.0, help="front queries a second")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    main()
