"""A meter for hardware that tells its power but counts no energy: power is sampled in a thread and summed up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from objectives.energy.meter import MeterError, State
from objectives.measurement import Source
from objectives.rounds import Seconds

PERIOD_S = 0.02  # between samples; the power of a GPU is renewed every 20 to 100 ms
LONGEST_GAP_S = 1.0  # without a sample, after which a window says too little


class Sample(NamedTuple):
    """Watts at a time."""

    at: float
    watts: float


class PowerMeter:
    """Samples power from `start` to `stop` and returns the area below the line through the samples."""

    def __init__(
        self,
        *,
        source: Source,
        scope: str,
        read_w: Callable[[], float],
        wait: Callable[[], None] = lambda: None,
        period_s: float | None = PERIOD_S,
        state: Callable[[], State] = State,
        clock: Seconds = time.perf_counter,
    ) -> None:
        """Take `read_w`, which returns the power in watts, and `wait`, which returns when queued work is done.

        Without a `period_s` nothing samples by itself: call `sample`.
        """
        self.source = source
        self.scope = scope
        self._read_w, self._wait, self._period_s, self._state, self._clock = read_w, wait, period_s, state, clock
        self._samples: list[Sample] | None = None
        self._failure: MeterError | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Open a window."""
        if self._samples is not None:
            raise MeterError(f"{self.source}: a window is open already; stop it first")
        self._wait()
        first = Sample(self._clock(), self._read_w())
        self._samples, self._failure = [first], None
        if self._period_s is not None:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._keep_sampling, args=(self._period_s,), daemon=True)
            self._thread.start()

    def stop(self) -> float:
        """Close the window and return its joules."""
        if self._samples is None:
            raise MeterError(f"{self.source}: no window is open; start one first")
        self._wait()
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self.sample()
        samples, self._samples = self._samples, None
        if self._failure is not None:
            raise self._failure
        gap = max(after.at - before.at for before, after in pairwise(samples))
        if gap > LONGEST_GAP_S:
            raise MeterError(f"{self.source}: no power was read for {gap:.1f} s, so this window says too little")
        return sum((b.at - a.at) * (a.watts + b.watts) / 2 for a, b in pairwise(samples))

    def state(self) -> State:
        """Return how the hardware is now."""
        return self._state()

    def sample(self) -> None:
        """Add a sample to the open window; a failure is told by `stop`."""
        if self._samples is None or self._failure is not None:
            return
        try:
            self._samples.append(Sample(self._clock(), self._read_w()))
        except MeterError as error:
            self._failure = error

    def _keep_sampling(self, period_s: float) -> None:
        while not self._stopping.wait(period_s):
            self.sample()
