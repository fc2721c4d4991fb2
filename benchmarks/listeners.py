"""What people who follow a study cost the server: processor time with many listeners, less that with none.

    python -m benchmarks.listeners [--listeners 200] [--seconds 20] [--json]

All listen to one running study, which tells something once a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import threading
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

STUDY = "followed"


def main() -> None:
    """Print the share of a core that the listeners cost, and how many events each of them got."""
    options = _parser().parse_args()
    with TemporaryDirectory() as place:
        storage = f"sqlite:///{place}/service.sqlite"
        service = open_service(storage)
        spec = StudySpec.model_validate({"model": "bert-base", "task": "sst2", "epsilon": 0.01})
        study = service.store.create_study(STUDY, spec.model_dump(mode="json"))
        port = free_port()
        with (
            running(serve_command(storage, Path(place), port), f"http://127.0.0.1:{port}", "/healthz") as address,
            _telling(service, study.id),
        ):
            server = _listening_on(port)
            alone = asyncio.run(_listen(address, 0, options.seconds, server))[0]
            together, heard = asyncio.run(_listen(address, options.listeners, options.seconds, server))
        service.close()
    found = {"listeners": options.listeners, "share of a core": together - alone, "fewest events heard": min(heard)}
    print(json.dumps(found) if options.json else "\n".join(f"{name:<24} {value:.3g}" for name, value in found.items()))


async def _listen(address: str, listeners: int, seconds: float, server: psutil.Process) -> tuple[float, list[int]]:
    """Return the server's processor seconds per second, and how many events each listener heard."""
    heard = [0] * listeners
    tasks = [asyncio.create_task(_listener(address, heard, i)) for i in range(listeners)]
    await asyncio.sleep(3)  # all are connected, and what was stored before is told
    before = _used(server)
    heard[:] = [0] * listeners
    await asyncio.sleep(seconds)
    used = _used(server) - before
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return used / seconds, heard


async def _listener(address: str, heard: list[int], number: int) -> None:
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"GET /v1/studies/{STUDY}/events HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
    while line := await reader.readline():
        heard[number] += line.startswith(b"event:")


@contextmanager
def _telling(service: SqlService, study_id: int) -> Iterator[None]:
    over = threading.Event()

    def tell() -> None:
        done = 0
        while not over.wait(1.0):
            done += 1
            service.events.append(study_id, STAGE, {"stage": "search", "text": "", "done": done, "total": 1000})

    thread = threading.Thread(target=tell)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


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
    parser.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    main()
