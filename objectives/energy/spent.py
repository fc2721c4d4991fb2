"""Spent: seconds, memory and joules of some work of a process, by part of the machine. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

CPU, RAM, GPU = "CPU", "RAM", "GPU"


@dataclass(frozen=True, slots=True, kw_only=True)
class Joules:
    """Joules of a part and their source. `counts_all`: of the whole machine, other processes included."""

    joules: float
    source: str
    counts_all: bool

    def times(self, factor: float) -> Joules:
        """Return so many times as much."""
        return replace(self, joules=factor * self.joules)

    def own(self, part: str, share: float) -> float:
        """Return those of our work alone, by its share of the processor time; a GPU is taken to be ours."""
        return self.joules * (share if self.counts_all and part != GPU else 1.0)

    def plus(self, other: Joules) -> Joules:
        """Return both together; of two sources both are named."""
        source = self.source if self.source == other.source else f"{self.source}, {other.source}"
        both = self.counts_all or other.counts_all
        return Joules(joules=self.joules + other.joules, source=source, counts_all=both)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What was spent: seconds, those of processors on our work and on all work, memory, joules by part.

    `resident_bytes` and `peak_cuda_bytes` are peaks (`objectives/peaks.py`).
    """

    seconds: float
    own_cpu_s: float
    all_cpu_s: float
    resident_bytes: int
    peak_cuda_bytes: int | None
    parts: Mapping[str, Joules]

    @property
    def share(self) -> float:
        """The share of our work in all processor time, at most 1."""
        return min(1.0, self.own_cpu_s / self.all_cpu_s) if self.all_cpu_s > 0 else 1.0

    @property
    def joules(self) -> float:
        """The joules of all parts, other processes' too where a counter counts these."""
        return sum(part.joules for part in self.parts.values())

    @property
    def own_joules(self) -> float:
        """The joules of our work alone: of what counts the whole machine, our share of the processor time."""
        return sum(self.own_of(part) for part in self.parts)

    def own_of(self, part: str) -> float:
        """Return the joules of our work alone in a part."""
        return self.parts[part].own(part, self.share)

    def times(self, factor: float) -> Spent:
        """Return so many times as much, of peaks as much."""
        return replace(
            self,
            seconds=factor * self.seconds,
            own_cpu_s=factor * self.own_cpu_s,
            all_cpu_s=factor * self.all_cpu_s,
            parts={name: part.times(factor) for name, part in self.parts.items()},
        )

    def peaking_with(self, other: Spent) -> Spent:
        """Return as much, with the peaks of both."""
        cuda = [peak for peak in (self.peak_cuda_bytes, other.peak_cuda_bytes) if peak is not None]
        resident = max(self.resident_bytes, other.resident_bytes)
        return replace(self, resident_bytes=resident, peak_cuda_bytes=max(cuda, default=None))

    def plus(self, other: Spent) -> Spent:
        """Return both together."""
        parts = {name: each for found in (other.parts, self.parts) for name, each in found.items()}
        shared = {name: self.parts[name].plus(other.parts[name]) for name in self.parts.keys() & other.parts.keys()}
        added = Spent(
            seconds=self.seconds + other.seconds,
            own_cpu_s=self.own_cpu_s + other.own_cpu_s,
            all_cpu_s=self.all_cpu_s + other.all_cpu_s,
            resident_bytes=self.resident_bytes,
            peak_cuda_bytes=self.peak_cuda_bytes,
            parts={name: (parts | shared)[name] for name in sorted(parts)},
        )
        return added.peaking_with(other)


NONE = Spent(seconds=0.0, own_cpu_s=0.0, all_cpu_s=0.0, resident_bytes=0, peak_cuda_bytes=None, parts={})
