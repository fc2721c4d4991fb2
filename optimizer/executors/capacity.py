"""Capacity: how many workers a machine has cores and memory for. More than that are refused before a study begins."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import psutil

from optimizer.errors import InputError
from optimizer.workload import Workload

OWN_BYTES = 450 << 20  # of a worker: Python, torch, transformers, and a batch under way; measured in docs/scaling.md
MODELS = 2  # copies of the weights that a worker has of its own: a candidate, and the next one's layers in the making
GIB = 1 << 30
LIMITS = (  # of a container, with what it uses: cgroups v2 and v1
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)


def cores_here() -> tuple[int, ...]:
    """Return the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def shares_of(cores: Sequence[int], workers: int | None, threads: int | None) -> tuple[int, list[tuple[int, ...]]]:
    """Return the threads of each worker, and the cores of each, all different.

    Without `threads` the workers share all cores, without `workers` there are as many as fit. Raises `InputError`
    where they would have to share a core.
    """
    count = workers or max(1, len(cores) // (threads or 1))
    each = threads or max(1, len(cores) // count)
    if count * each > len(cores):
        most = len(cores) // each
        fitting = f"at most {most} fit" if most else f"give `threads` of at most {len(cores)}"
        raise InputError(
            "workers",
            f"{count} of {each} thread(s) need {count * each} cores, and this machine has {len(cores)}; {fitting}",
        )
    wide = len(cores) // count
    return each, [tuple(cores[place * wide : (place + 1) * wide]) for place in range(count)]


def worker_bytes(workload: Workload) -> int:
    """Return the memory that a worker takes for itself, the prepared study that all share left out."""
    weights: int = sum(tensor.nbytes for tensor in workload.model.state_dict().values())
    return OWN_BYTES + MODELS * weights


def free_bytes(limits: Sequence[tuple[Path, Path]] = LIMITS) -> int:
    """Return how much memory this machine, or its container, has left."""
    free: int = psutil.virtual_memory().available
    for limit, used in limits:
        if limit.is_file() and used.is_file() and limit.read_text().strip().isdecimal():
            free = min(free, int(limit.read_text()) - int(used.read_text()))
    return max(0, free)


def refuse_more_than_fit(workers: int, each: int, free: int, *, where: str = "this machine") -> None:
    """Raise `InputError` for more workers than there is memory for."""
    if workers * each > free:
        needed, left, most = f"{workers * each / GIB:.1f}", f"{free / GIB:.1f}", free // each
        raise InputError(
            "workers",
            f"{workers} need about {needed} GiB of memory, and {where} has {left} GiB left; at most {most} fit",
        )
