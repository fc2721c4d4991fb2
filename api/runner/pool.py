"""A pool: worker processes that a server starts and, if they die, restarts."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from threading import Event as Flag
from threading import Thread

GRACE_S = 20.0
RESTART_S = 1.0
COMMAND = "from api.cli.app import main; main()"
log = logging.getLogger(__name__)


class Pool:
    """Keeps `size` workers for studies alive until closed, and one for jobs that never wait for a study.

    `arguments` are those of `optimize worker`.
    """

    def __init__(self, size: int, arguments: Sequence[str]) -> None:
        self._command = [sys.executable, "-c", COMMAND, "worker", *arguments, "--with-parent", str(os.getpid())]
        self._environment = {**_share_of_cores(size), **os.environ}  # what the user set stays
        self._closing = Flag()
        kinds = [*["studies"] * size, *["exports"] * (size > 0)]
        self._threads = [
            Thread(target=self._keep_alive, args=(kind,), name=f"{kind} {i}") for i, kind in enumerate(kinds)
        ]

    def start(self) -> None:
        """Start the workers."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Ask the workers to stop after the candidate in flight, and wait for them; the others are killed."""
        self._closing.set()
        for thread in self._threads:
            thread.join()

    def _keep_alive(self, kind: str) -> None:
        while not self._closing.is_set():
            process = subprocess.Popen([*self._command, "--only", kind], env=self._environment)
            while process.poll() is None and not self._closing.is_set():
                self._closing.wait(RESTART_S / 4)
            if self._closing.is_set():
                _stop(process)
            else:
                log.warning("worker %d ended with %d and is started again", process.pid, process.returncode)
                self._closing.wait(RESTART_S)


def _share_of_cores(size: int) -> dict[str, str]:
    """Return the environment that gives one of so many workers its share of this machine's cores as threads."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {"OMP_NUM_THREADS": str(max(1, cores // size))} if size > 1 else {}


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
