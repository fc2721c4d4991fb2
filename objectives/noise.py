"""Noise: what else a machine did while something was measured, and whether the figures suffered from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import psutil

STOLEN = 0.02  # of the time of all processors, given to other virtual machines: more is noise
OTHERS = 0.25  # processors at work for other programs
MOVED = 0.05  # change of the clock rate, as a fraction
INTERRUPTED = 0.1  # of the passes
LEAST_S = 0.5  # the system counts in steps of 10 ms, so shorter times say nothing


@dataclass(frozen=True, slots=True)
class Machine:
    """Processor seconds of this machine so far: of all programs, of this process, stolen, and idle; its clock rate."""

    busy: float
    own: float
    stolen: float
    idle: float
    megahertz: float | None

    @classmethod
    def now(cls) -> Self:
        """Return what the system says now."""
        times, own = psutil.cpu_times(), psutil.Process().cpu_times()
        stolen = getattr(times, "steal", 0.0)
        idle = times.idle + getattr(times, "iowait", 0.0)
        # time for guests is part of the user's already
        total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        rate = psutil.cpu_freq() if hasattr(psutil, "cpu_freq") else None
        return cls(total - idle - stolen, own.user + own.system, stolen, idle, rate.current if rate else None)


@dataclass(frozen=True, slots=True)
class Noise:
    """What happened: processors at work for others, and fractions of the time, the clock rate and the passes."""

    others: float
    stolen: float
    moved: float
    interrupted: float

    @classmethod
    def between(cls, before: Machine, after: Machine, *, interrupted: float) -> Self:
        """Return what happened between two readings, in which this share of passes was interrupted."""
        busy, stolen, idle = after.busy - before.busy, after.stolen - before.stolen, after.idle - before.idle
        seconds = (busy + stolen + idle) / (psutil.cpu_count() or 1)
        moved = abs(after.megahertz / before.megahertz - 1) if before.megahertz and after.megahertz else 0.0
        if seconds < LEAST_S:
            return cls(others=0.0, stolen=0.0, moved=moved, interrupted=interrupted)
        others = max(0.0, busy - (after.own - before.own)) / seconds
        return cls(others, stolen=max(0.0, stolen) / (busy + stolen + idle), moved=moved, interrupted=interrupted)

    def in_words(self) -> str | None:
        """Return what disturbed the measurement, None on a quiet machine."""
        said = [
            (self.others, OTHERS, f"{self.others:.1f} processors at work for other programs"),
            (self.interrupted, INTERRUPTED, f"{self.interrupted:.0%} of the passes interrupted"),
            (self.stolen, STOLEN, f"{self.stolen:.0%} of the time given to other virtual machines"),
            (self.moved, MOVED, f"the clock rate moved by {self.moved:.0%}"),
        ]
        loud = [words for value, limit, words in said if value > limit]
        return ", ".join(loud) if loud else None
