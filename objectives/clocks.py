"""Two clocks: the time that passes, and the processor time of this thread, which other programs do not lengthen.

On one thread and a quiet machine both say the same. On a busy one the kernel takes the processor away in the middle of
a pass: the elapsed time then contains the work of others. The kernel counts these interruptions, and how often a thread
waits. A pass that waits (for other threads, a disk, a GPU) takes longer than its processor time, so only elapsed time
describes it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import NamedTuple

if sys.platform != "win32":
    import resource


class Clock(StrEnum):
    """By which clock a figure was taken."""

    ELAPSED = "elapsed time"
    PROCESSOR = "processor time of one thread"


class Pass(NamedTuple):
    """One run: its seconds by both clocks, and how often its thread was interrupted and waited meanwhile."""

    elapsed: float
    processor: float
    interruptions: int
    waits: int

    def seconds(self, clock: Clock) -> float:
        """Return the seconds by a clock."""
        return self.processor if clock is Clock.PROCESSOR else self.elapsed


def switches() -> tuple[int, int]:
    """Return how often the kernel has interrupted this thread, and how often it has waited.

    Where a system counts that for a whole process, the process is taken. On Windows, whose processor time moves in
    steps of 16 ms, every pass counts as one that waits.
    """
    if sys.platform == "win32":
        return 0, time.perf_counter_ns()
    usage = resource.getrusage(getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF))
    return usage.ru_nivcsw, usage.ru_nvcsw


class Clocks(NamedTuple):
    """Where a pass is timed: seconds of both clocks, and the counts of `switches`."""

    elapsed: Callable[[], float] = time.perf_counter
    processor: Callable[[], float] = time.thread_time
    switches: Callable[[], tuple[int, int]] = switches


SYSTEM = Clocks()


def timed(run: Callable[[], object], clocks: Clocks = SYSTEM) -> Pass:
    """Run once and return what passed meanwhile."""
    interruptions, waits = clocks.switches()
    processor, elapsed = clocks.processor(), clocks.elapsed()
    run()
    elapsed, processor = clocks.elapsed() - elapsed, clocks.processor() - processor
    after = clocks.switches()
    return Pass(elapsed, processor, after[0] - interruptions, after[1] - waits)


def clock_of(passes: Iterable[Pass], *, threads: int) -> Clock:
    """Return the clock that describes such passes: processor time on one thread that hardly waits, else elapsed."""
    waited = [each.waits > 0 for each in passes]
    return Clock.PROCESSOR if threads == 1 and 2 * sum(waited) < len(waited) else Clock.ELAPSED
