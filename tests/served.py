"""A real server in a thread and a real worker, with a tiny model and data below the one allowed directory."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from tiny_checkpoints import save_data, save_tiny

from api.client import Client, Patience
from api.http.app import create_app
from api.http.protocol import BoundedProtocol
from api.http.settings import Settings
from api.runner.worker import Worker
from optimizer.spec import StudySpec
from studies.opening import open_service

SIZES = {"train": 200, "validation": 160, "test": 140}
QUICK = Patience(first_s=0.05, longest_s=0.2, reconnects=5000)


class Place:
    """Where one service lives. It can be stopped and started again on the same port."""

    def __init__(self, root: Path, assets: Path) -> None:
        self.assets = assets
        self.settings = Settings(
            storage=f"sqlite:///{root}/s.sqlite",
            cache_dir=root / "cache",
            artifacts=root / "artifacts",
            roots=(assets,),
        )
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def spec(self, **changes: object) -> StudySpec:
        fields: dict[str, object] = {
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
        return StudySpec.model_validate({**fields, **changes})

    def client(self, **more: object) -> Client:
        return Client(self.url, **{"patience": QUICK, **more})  # type: ignore[arg-type]

    def start(self) -> None:
        config = uvicorn.Config(
            create_app(self.settings),
            port=self.port,
            log_level="error",
            http=BoundedProtocol,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def stop(self) -> None:
        assert self._server is not None and self._thread is not None
        self._server.should_exit = True
        self._thread.join()

    def work(self) -> None:
        with self.worker() as made:
            made.run(until_idle=True)

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        service = open_service(self.settings.storage)
        try:
            yield Worker(service, self.settings.cache_dir, self.settings.artifacts)
        finally:
            service.close()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Have a worker beside the block, until everything that was submitted is done."""
        with self.worker() as made:
            thread = threading.Thread(target=made.run)
            thread.start()
            try:
                yield
            finally:
                made.stopping.set()
                thread.join()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def save_assets(root: Path) -> Path:
    """Save the tiny model and its data."""
    save_tiny(root / "model")
    save_data(root / "data", root / "model", SIZES)
    return root
