"""Windows of a meter: every model takes its turn, round by round, until the ratios of energy are known.

A counter moves in steps of up to a tenth of a second, so a window lasts seconds: 3 s are the fewest whose ratios such
steps leave right within 1 % (docs/energy.md, benchmarks/windows.py). Windows of all models take turns in random order,
so that a chip growing warmer favours none of them, and one that has grown warmer rests before its next window. What
hardware draws at rest is measured before and after.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Generic

import numpy as np

from objectives.energy.meter import CounterResetError, EnergyMeter, MeterError
from objectives.measurement import JsonScalar
from objectives.repeats import Key, half_width, mean_ratio_with_interval
from objectives.rounds import Pace, Run, Seconds, in_rounds
from objectives.turns import WITHIN

WINDOW_S = 3.0
FEWEST, LOOK, MOST = 3, 5, 10  # windows of a model: at least, before it is asked whether they are enough, at most
IDLE_S, SETTLE_S = 3.0, 0.5  # at rest, and before that: the counter still moves for what ran last
DRIFT = 0.1  # of the power at rest, from before to after: more is said
WARMER = 8.0  # degrees Celsius above the first window, before a window waits
REST_S, REST_STEP_S = 10.0, 0.5  # at most, and before it is asked again
LATE = 0.25  # of a window, by which it may end late
RETAKEN = 2  # times a window is taken again
LOST = f"{RETAKEN + 1} windows in a row were lost, to resets of the counter or to a machine that slept"


@dataclass(frozen=True, slots=True)
class Window:
    """One window: joules and seconds of so many inferences, and what slowed the hardware down at its end."""

    joules: float
    seconds: float
    inferences: int
    throttled: tuple[str, ...] = ()

    @property
    def each(self) -> float:
        """Joules per inference."""
        return self.joules / self.inferences


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPlan:
    """How windows are taken.

    `rng` draws the order of every round. A window has `window_s` seconds, several steps of the counter. They end when
    all ratios are known `within` half their interval, as a fraction, or as the `pace` says (None: after at most `MOST`
    windows each). `clock` gives monotonic seconds, `sleep` rests so many.
    """

    rng: np.random.Generator
    window_s: float = WINDOW_S
    pace: Pace | None = None
    within: float = WITHIN
    clock: Seconds = time.perf_counter
    sleep: Callable[[float], None] = time.sleep

    def pace_of(self, works: int) -> Pace:
        """Return how many windows so many works take, and how long."""
        return self.pace or Pace(seconds=2 * MOST * self.window_s * works, fewest=FEWEST, look=LOOK, most=MOST)


@dataclass(frozen=True, slots=True)
class Batch:
    """A run and the number of its inferences."""

    run: Run
    inferences: int


@dataclass(frozen=True, kw_only=True)
class Windows(Generic[Key]):
    """All windows by key, index i of round i, and watts at rest before and after."""

    taken: Mapping[Key, Sequence[Window]]
    idle_w: tuple[float, float]

    def said(self, key: Key) -> dict[str, JsonScalar]:
        """Return what is to be said of a key's figure besides its value: net of what is drawn at rest, and troubles."""
        own = self.taken[key]
        before, after = self.idle_w
        idle = (before + after) / 2
        said: dict[str, JsonScalar] = {
            "windows": len(own),
            "idle_w": idle,
            "net_j": float(np.mean([(each.joules - idle * each.seconds) / each.inferences for each in own])),
        }
        if abs(after - before) > DRIFT * max(before, after):
            said["idle_drift"] = f"at rest {before:.3g} W before and {after:.3g} W after"
        if slowed := sorted({name for each in own for name in each.throttled}):
            said["throttled"] = ", ".join(slowed)
        return said


def take_windows(batches: Mapping[Key, Batch], meter: EnergyMeter, *, dense: Key, plan: WindowPlan) -> Windows[Key]:
    """Take windows until all ratios to `dense` are known, or the pace of the `plan` ends.

    Raises:
        MeterError: the meter fails, does not move, or loses the same window over and over.
    """
    for batch in batches.values():
        batch.run()
    taker = _Taker(meter, plan)
    before = taker.idle_w()
    taken = in_rounds(
        {key: partial(taker.window, batch) for key, batch in batches.items()},
        rng=plan.rng,
        pace=plan.pace_of(len(batches)),
        enough=partial(_known, dense=dense, within=plan.within),
        clock=plan.clock,
    )
    return Windows(taken=taken, idle_w=(before, taker.idle_w()))


def _known(taken: Mapping[Key, Sequence[Window]], *, dense: Key, within: float) -> bool:
    of_dense = np.array([each.each for each in taken[dense]])
    found = [
        mean_ratio_with_interval(np.array([each.each for each in windows]) / of_dense)[1]
        for key, windows in taken.items()
        if key != dense
    ]
    return bool(found) and all(interval is not None and half_width(interval) <= within for interval in found)


@dataclass
class _Taker:
    """Takes windows of one meter; `warm` are the degrees at the end of the first one."""

    meter: EnergyMeter
    plan: WindowPlan
    warm: float | None = None

    def window(self, batch: Batch) -> Window:
        """Return a window of at least one run, taken again where a counter was reset or the machine stood still."""
        for _ in range(RETAKEN + 1):
            self._rest()
            taken = self._try(batch)
            if taken is not None:
                return taken
        raise MeterError(f"{self.meter.source}: {LOST}")

    def idle_w(self) -> float:
        """Return the watts that are drawn while nothing of ours runs."""
        for _ in range(RETAKEN + 1):
            self.plan.sleep(min(SETTLE_S, self.plan.window_s))
            self.meter.start()
            began = self.plan.clock()
            try:
                self.plan.sleep(min(IDLE_S, self.plan.window_s))
            finally:
                joules = self._stopped()
            if joules is not None:
                return joules / max(self.plan.clock() - began, 1e-9)
        raise MeterError(f"{self.meter.source}: {LOST}")

    def _try(self, batch: Batch) -> Window | None:
        runs = 0
        self.meter.start()
        began = self.plan.clock()
        try:
            while runs == 0 or self.plan.clock() - began < self.plan.window_s:
                batch.run()
                runs += 1
        except BaseException:
            with suppress(MeterError):  # what the run raised is what matters
                self.meter.stop()
            raise
        seconds = self.plan.clock() - began
        joules = self._stopped()
        late = max(3 * seconds / runs, LATE * self.plan.window_s)  # a short run may wait for its turn on a busy machine
        if joules is None or seconds > self.plan.window_s + late:  # one run took most of it: the machine was asleep
            return None
        if joules <= 0:
            still = f"the counter did not move in {self.plan.window_s} s; it cannot be used on this machine"
            raise MeterError(f"{self.meter.source}: {still}")
        state = self.meter.state()
        self.warm = state.celsius if self.warm is None else self.warm
        return Window(joules, seconds, runs * batch.inferences, state.throttled)

    def _stopped(self) -> float | None:
        """Close the window and return its joules, None where its counter was reset on the way."""
        try:
            return self.meter.stop()
        except CounterResetError:
            return None

    def _rest(self) -> None:
        rested = 0.0
        while self.warm is not None and rested < REST_S and (self.meter.state().celsius or 0) > self.warm + WARMER:
            self.plan.sleep(REST_STEP_S)
            rested += REST_STEP_S
