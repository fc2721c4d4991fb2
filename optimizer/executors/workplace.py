"""A workplace: where the workers of a run are. It is checked before a study begins, and open to search and recovery.

Everything else, latency and energy above all, is measured by the driver when no worker is left beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from optimizer.engine import Engine
from optimizer.executors.executor import Executor, S
from optimizer.executors.inprocess import InProcess
from optimizer.spec import StudySpec
from optimizer.workload import Workload


class Workplace(Protocol):
    """Where candidates are evaluated and trained."""

    @property
    def record(self) -> Mapping[str, Any]:  # Any: JSON data
        """What the study remembers of the workers; nothing where this process is the only one."""

    def check(self, workload: Workload) -> None:
        """Raise `InputError` where the workers would not have what they need for a workload."""

    def executor(self, served: S, *, is_limited: bool = True) -> Executor[S]:
        """Return an executor of workers that have what is `served`, to be closed before anything is measured.

        `is_limited`: a question may take as long as the engine says, no longer.
        """


class Here:
    """`Workplace` of one worker, which is this process."""

    record: Mapping[str, Any] = {}  # Any: JSON data

    def check(self, workload: Workload) -> None:
        """Do nothing: the study runs here anyway."""

    def executor(self, served: S, *, is_limited: bool = True) -> Executor[S]:  # noqa: ARG002
        """Return the executor of this process."""
        return InProcess(served)


HERE = Here()


def words_of(record: Mapping[str, Any]) -> list[str]:  # Any: JSON data
    """Return the note of a run with workers, none for one without."""
    if not record:
        return []
    where = "a Ray cluster" if record["engine"] == "ray" else "this machine"
    now = record.get("fit", record["workers"])
    waiting = [f"{now} of {record['workers']} workers fit on the cluster now; the others begin when it grows"]
    return [
        *(waiting if now < record["workers"] else []),
        f"candidates are evaluated by worker processes on {where}, {record['workers']} at a time; latency, "
        "energy and memory are measured when they are gone, the dense model and all members in one process",
    ]


@contextmanager
def workplace(engine: Engine, spec: StudySpec, cache_dir: Path) -> Iterator[Workplace]:
    """Open the workplace of a run. Raises `InputError` for one that is not to be had."""
    if engine.name == "in-process":
        yield HERE
    elif engine.name == "processes":
        from optimizer.executors.machine import Machine

        yield Machine(engine, spec, cache_dir)
    else:
        from optimizer.executors.cluster import connected

        with connected(engine, spec, cache_dir) as cluster:
            yield cluster
