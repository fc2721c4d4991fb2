"""What people who follow a study cost the server: processor time with many listeners, less that with none.

    python -m benchmarks.listeners [--listeners 200] [--seconds 20] [--late 50] [--stored 418] [--json]

All listen to one running study, which tells something once a second. Before that, `--late` others read
the `--stored` events of a second study: the time until the last of them has read all.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import psutil

from benchmarks.service import free_port, running, serve_command
from optimizer.spec import StudySpec
from studies.events import STAGE
from studies.opening import open_service
from studies.sql.service import SqlService

FOLLOWED, TOLD = "followed", "told"


def main() -> None:
    """Print the share of a core that the listeners cost, and how many events each of them got."""
    options = _parser().parse_args()
    with TemporaryDirectory() as place:
        storage = f"sqlite:///{place}/service.sqlite"
        service = open_service(storage)
        spec = StudySpec.model_validate({"model": "bert-base", "task": "sst2", "epsilon": 0.01})
        study, told = (service.store.create_study(name, spec.model_dump(mode="json")) for name in (FOLLOWED, TOLD))
        for done in range(options.stored):
            _tell(service, told.id, done)
        port = free_port()
        with (
            running(serve_command(storage, Path(place), port), f"http://127.0.0.1:{port}", "/healthz") as address,
        ):
            server = _listening_on(port)
            replayed = asyncio.run(_replay(address, options.late, options.stored))
            telling = _telling(service, study.id)
            with telling:
                alone = asyncio.run(_listen(address, 0, options.seconds, server))[0]
                together, heard = asyncio.run(_listen(address, options.listeners, options.seconds, server))
        service.close()
    found = {
        "listeners": options.listeners,
        "share of a core": together - alone,
        "fewest events heard": min(heard),
        f"s, {options.late} × {options.stored} stored": replayed,
    }
    print(json.dumps(found) if options.json else "\n".join(f"{name:<24} {value:.3g}" for name, value in found.items()))


async def _listen(address: str, listeners: int, seconds: float, server: psutil.Process) -> tuple[float, list[int]]:
    """Return the server's processor seconds per second, and how many events each listener heard."""
    heard = [0] * listeners
    tasks = [asyncio.create_task(_listener(address, FOLLOWED, heard, i)) for i in range(listeners)]
    await asyncio.sleep(3)  # all are connected, and what was stored before is told
    before = _used(server)
    heard[:] = [0] * listeners
    await asyncio.sleep(seconds)
    used = _used(server) - before
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return used / seconds, heard


async def _replay(address: str, listeners: int, stored: int) -> float:
    """Return the seconds until every listener has heard all stored events."""
    heard = [0] * listeners
    started = time.monotonic()
    tasks = [asyncio.create_task(_listener(address, TOLD, heard, i)) for i in range(listeners)]
    while min(heard) < stored:
        await asyncio.sleep(0.01)
    seconds = time.monotonic() - started
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return seconds


async def _listener(address: str, study: str, heard: list[int], number: int) -> None:
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"GET /v1/studies/{study}/events HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
    while line := await reader.readline():
        heard[number] += line.startswith(b"event:")


@contextmanager
def _telling(service: SqlService, study_id: int) -> Iterator[None]:
    over = threading.Event()

    def tell() -> None:
        done = 0
        while not over.wait(1.0):
            done += 1
            _tell(service, study_id, done)

    thread = threading.Thread(target=tell)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _tell(service: SqlService, study_id: int, done: int) -> None:
    service.events.append(study_id, STAGE, {"stage": "search", "text": "", "done": done, "total": 1000})


def _listening_on(port: int) -> psutil.Process:
    return next(
        psutil.Process(connection.pid)
        for connection in psutil.net_connections("tcp")
        if connection.pid and connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,)
    )


def _used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listeners", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--late", type=int, default=50)
    parser.add_argument("--stored", type=int, default=418)
    parser.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    main()
