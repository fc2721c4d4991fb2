"""Counters as hardware has them, replayed: they move in steps of uneven length, come round, are reset and go silent."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from objectives.energy.meter import CounterMeter
from objectives.measurement import Source

MICROJOULE = 1e-6


@dataclass
class Hardware:
    """A machine on a clock of its own, and its counter of microjoules.

    The counter is renewed every `step_s`, give or take `jitter`; it comes round at `comes_round`, starts anew at the
    times `resets`, and cannot be read during `silent`.
    """

    idle_w: float = 60.0
    step_s: float = 0.1
    jitter: float = 0.2
    comes_round: int | None = None
    resets: Sequence[float] = ()
    silent: tuple[float, float] = (np.inf, np.inf)
    now: float = 0.0
    _times: list[float] = field(default_factory=lambda: [0.0])
    _joules: list[float] = field(default_factory=lambda: [0.0])

    def __post_init__(self) -> None:
        rng = np.random.default_rng(0)
        steps = self.step_s * (1 + self.jitter * rng.uniform(-1, 1, 40_000))
        self._renewed = np.cumsum(steps).tolist()

    def draw(self, seconds: float, watts: float) -> None:
        """Draw so much power for so long."""
        self.now += seconds
        self._times.append(self.now)
        self._joules.append(self._joules[-1] + seconds * watts)

    def rest(self, seconds: float) -> None:
        self.draw(seconds, self.idle_w)

    def count(self) -> int:
        """Return what the counter shows now: what it was at its last renewal."""
        if self.silent[0] <= self.now < self.silent[1]:
            raise PermissionError(13, "Permission denied")
        renewed = self._renewed[max(bisect_right(self._renewed, self.now) - 1, 0)]
        since = max((at for at in self.resets if at <= renewed), default=0.0)
        joules = np.interp([since, renewed], self._times, self._joules)
        count = round(float(joules[1] - joules[0]) / MICROJOULE)
        return count % self.comes_round if self.comes_round else count

    def meter(self) -> CounterMeter:
        return CounterMeter(
            source=Source.RAPL,
            scope="a replay",
            read=lambda: [self.count()],
            joules_per_count=MICROJOULE,
            ranges=[self.comes_round],
        )
