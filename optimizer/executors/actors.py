"""Workers on a Ray cluster: an actor each, and what a node tells of itself before any begins."""

from __future__ import annotations

import os
import platform
import re
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from optimizer.executors.executor import A, Question
from optimizer.executors.parcel import Parcel, unpack
from optimizer.executors.served import Served, settle
from optimizer.faults import TimeLimitError, WorkerDiedError
from optimizer.logs import Log

LONGEST = 300  # characters of what Ray says
PACKAGES = ("pruning-optimizer", "torch", "ray")


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of a cluster: what is installed there, which processor it has, and whether it sees a file."""

    name: str
    versions: str
    processor: str
    sees: bool


def look(file: Path | None) -> Node:
    """Return what this machine is like."""
    from objectives.device import cpu_name

    versions = ", ".join(f"{package} {_version(package)}" for package in PACKAGES)
    said = f"Python {platform.python_version()}, {versions}"
    return Node(socket.gethostname(), said, cpu_name(), file is None or file.is_file())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # a working directory that a runtime environment brought
        return "not installed"


class Actor:
    """What runs in an actor's process. An error is an answer as well, so that it arrives as it is."""

    def __init__(self, threads: int, places: Sequence[str], log: Log) -> None:
        """Take the driver's log and `places` of modules, where what a caller gave in Python may have its class."""
        os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
        sys.path.extend(place for place in places if place not in sys.path)
        settle(log)
        self._served: Served | None = None

    def begin(self, parcel: Parcel) -> Exception | None:
        """Take over the prepared study; return the error where that fails."""
        try:
            self._served = Served(unpack(parcel))
        except Exception as error:
            return RuntimeError(f"{type(error).__name__}: {error}")
        return None

    def answer(self, question: Question[Any, Any]) -> tuple[Any, Exception | None]:
        """Return the answer, or the error in its place."""
        assert self._served is not None
        try:
            return self._served.answer(question), None
        except Exception as error:
            return None, error


class RayWorker:
    """`Worker` in an actor, which reads the parcel `placed` in the object store of its node."""

    def __init__(self, ray: Any, placed: Any, threads: int, room: Mapping[str, float]) -> None:
        self._ray, self._placed = ray, placed
        places = [str(Path(place).absolute()) for place in sys.path]
        made = ray.remote(Actor).options(max_restarts=0, max_task_retries=0, **room)
        self._actor = made.remote(threads, places, Log.here())

    def begin(self) -> None:
        """Wait until a node has room for the actor, and have it take over the study."""
        if error := self._get(self._actor.begin.remote(self._placed), None):
            raise WorkerDiedError(str(error))

    def answer(self, question: Question[Any, A], limit_s: float | None) -> A:
        """Have the actor answer a question."""
        found, error = self._get(self._actor.answer.remote(question), limit_s)
        if error is not None:
            raise error
        answer: A = found
        return answer

    def close(self) -> None:
        """Kill the actor."""
        if self._ray.is_initialized():
            self._ray.kill(self._actor)

    def _get(self, reference: Any, limit_s: float | None) -> Any:  # Any: one type per question
        try:
            return self._ray.get(reference, timeout=limit_s)
        except self._ray.exceptions.GetTimeoutError:
            self.close()
            raise TimeLimitError(f"took longer than {limit_s:g} s") from None
        except self._ray.exceptions.RayError as error:
            raise WorkerDiedError(f"its actor ended: {in_words(error)}") from error


def in_words(error: BaseException) -> str:
    """Return how an actor ended, by what Ray says of it."""
    said = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())
    detail = re.search(r"Worker exit detail: (.*)", said)
    return (detail[1] if detail else said)[:LONGEST]
