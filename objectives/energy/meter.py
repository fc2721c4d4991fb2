"""What an energy meter is: start, stop, joules in between; and the meter that every hardware counter becomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from objectives.measurement import Source


class MeterError(RuntimeError):
    """An energy meter that failed while measuring, or was used out of order."""


class MeterUnavailableError(MeterError):
    """No such meter on this machine; the text says why, and what would make it available."""


class CounterResetError(MeterError):
    """A counter that went back, as one does when a driver is loaded again: this window is lost, the next one is not."""


class State(NamedTuple):
    """How the hardware is now: degrees Celsius where it tells them, and why it runs slower than it could."""

    celsius: float | None = None
    throttled: tuple[str, ...] = ()


class EnergyMeter(Protocol):
    """Measures the energy that some hardware takes between `start` and `stop`.

    `source` says how; `scope` says in words what is included, other processes among it. Windows follow one another and
    never nest; a meter belongs to one thread. Work queued on the device counts into the window in which it runs: both
    calls wait for the device first.
    """

    @property
    def source(self) -> Source:
        """How the joules are obtained."""

    @property
    def scope(self) -> str:
        """What the joules include, in words."""

    def start(self) -> None:
        """Open a window. Raises `MeterError` when one is open or the counter cannot be read."""

    def stop(self) -> float:
        """Close the window and return its joules, >= 0. Raises `MeterError` when none is open or reading fails."""

    def state(self) -> State:
        """Return how the hardware is now. Raises `MeterError` when reading fails."""


class CounterMeter:
    """A meter over counters that only grow, and start again from 0 at their range where they have one.

    A window must be shorter than one whole range: a counter that wrapped twice looks as if it wrapped once.
    """

    def __init__(
        self,
        *,
        source: Source,
        scope: str,
        read: Callable[[], Sequence[int]],
        joules_per_count: float,
        ranges: Sequence[int | None],
        state: Callable[[], State] = State,
    ) -> None:
        """Take `read`, which returns one count per counter and waits for the device, and the counters' `ranges`."""
        self.source = source
        self.scope = scope
        self._read = read
        self._joules_per_count = joules_per_count
        self._ranges = tuple(ranges)
        self._state = state
        self._start: Sequence[int] | None = None

    def start(self) -> None:
        """Open a window."""
        if self._start is not None:
            raise MeterError(f"{self.source}: a window is open already; stop it first")
        self._start = self._counts()

    def stop(self) -> float:
        """Close the window and return its joules."""
        if self._start is None:
            raise MeterError(f"{self.source}: no window is open; start one first")
        before, self._start = self._start, None
        counts = zip(before, self._counts(), self._ranges, strict=True)
        return self._joules_per_count * sum(self._grown(*count) for count in counts)

    def state(self) -> State:
        """Return how the hardware is now."""
        return self._state()

    def _counts(self) -> Sequence[int]:
        try:
            return self._read()
        except OSError as error:
            raise MeterError(f"{self.source}: the energy counter cannot be read: {error}") from error

    def _grown(self, before: int, after: int, counter_range: int | None) -> int:
        if after >= before:
            return after - before
        if counter_range is None:
            raise CounterResetError(
                f"{self.source}: the energy counter went back from {before} to {after}; was it reset?"
            )
        return after + counter_range - before
