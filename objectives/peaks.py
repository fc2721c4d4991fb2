"""Peaks: the most memory that this process and those it started held during some work, and that a GPU's allocator held.

The kernel keeps a peak of each process, which holds what kernels of operators make for themselves, and can be told to
begin it anew; torch keeps one of its allocator on a GPU. Both are shared by all that watch in this process: whoever
begins anew first tells the others what was reached. Where the kernel keeps no such peak, what is resident at every look
has to do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import RLock

import psutil
import torch

Processes = Callable[[], Iterator[int]]  # by their ids
PROC = Path("/proc")
ANEW = "5"  # written to clear_refs: the peak of the resident memory begins anew (man 5 proc_pid_clear_refs)
_LOCK = RLock()
_WATCHING: list[PeakWatch] = []


@dataclass(frozen=True, slots=True)
class Peak:
    """Bytes: of resident memory, each process at its own peak, and of CUDA, None where there is none.

    `is_seen` where the kernel kept no peak: it is the most that was seen.
    """

    resident: int
    cuda: int | None
    is_seen: bool


class PeakWatch:
    """Watches from `begin` to `end`."""

    def __init__(self, device: torch.device, processes: Processes) -> None:
        """Watch processes, and a GPU's allocator."""
        self._device = device if device.type == "cuda" and torch.cuda.is_available() else None
        self._processes = processes
        self._resident, self._cuda, self._unkept = 0, 0, frozenset[int]()

    def begin(self) -> None:
        """Begin anew from what is held now."""
        with _LOCK:
            _tell()
            self._unkept = frozenset(each for each in self._processes() if not _begin_anew(each))
            if self._device is not None:
                torch.cuda.reset_peak_memory_stats(self._device)
            self._resident = self._cuda = 0
            if self not in _WATCHING:
                _WATCHING.append(self)

    def look(self) -> Peak:
        """Return the peak since `begin`."""
        with _LOCK:
            self._note()
            return Peak(self._resident, None if self._device is None else self._cuda, bool(self._unkept))

    def end(self) -> None:
        """Watch no longer."""
        with _LOCK, suppress(ValueError):
            _WATCHING.remove(self)

    def _note(self) -> None:
        held = sum(_resident(each) if each in self._unkept else _peak(each) for each in self._processes())
        self._resident = max(self._resident, held)
        if self._device is not None:
            self._cuda = max(self._cuda, torch.cuda.max_memory_allocated(self._device))


def _tell() -> None:
    for watch in _WATCHING:
        watch._note()


@contextmanager
def cuda_peak(device: torch.device) -> Iterator[Callable[[], int]]:
    """Yield what returns the peak of the allocator on a GPU since then, above what was allocated before, in bytes."""
    watch = PeakWatch(device, lambda: iter(()))
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    watch.begin()
    try:
        yield lambda: (watch.look().cuda or 0) - before
    finally:
        watch.end()


def keeps_peaks() -> bool:
    """Whether the kernel keeps peaks that can begin anew."""
    return os.access(PROC / "self" / "clear_refs", os.W_OK)


def resident_bytes(processes: Processes) -> int:
    """Return what processes hold now."""
    return sum(map(_resident, processes()))


def this_process() -> Iterator[int]:
    """Yield this process."""
    yield os.getpid()


def with_children() -> Iterator[int]:
    """Yield this process and those that it started."""
    own = psutil.Process()
    if not (PROC / "self" / "task" / str(own.pid) / "children").exists():
        yield own.pid
        yield from (each.pid for each in own.children(recursive=True))  # looks at every process of the machine
        return
    yield from _family(own.pid)


def _family(process: int) -> Iterator[int]:
    """Yield a process and all below it, by the kernel's list for each thread (man 5 proc_tid_children)."""
    yield process
    for thread in _threads(process):
        with suppress(OSError):  # it has ended
            for child in (thread / "children").read_text().split():
                yield from _family(int(child))


def _threads(process: int) -> list[Path]:
    with suppress(OSError):
        return [*(PROC / str(process) / "task").iterdir()]
    return []


def _begin_anew(process: int) -> bool:
    """Return whether the kernel keeps the peak of a process from now on."""
    try:
        (PROC / str(process) / "clear_refs").write_text(ANEW)
    except OSError:
        return False
    return True


def _peak(process: int) -> int:
    """Return the peak of a process that the kernel keeps, 0 for one that has ended."""
    try:
        lines = (PROC / str(process) / "status").read_text().splitlines()
    except OSError:
        return _resident(process)
    return max((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), default=0)


def _resident(process: int) -> int:
    """Return what a process holds now, 0 for one that has ended."""
    with suppress(psutil.Error):
        return int(psutil.Process(process).memory_info().rss)
    return 0
