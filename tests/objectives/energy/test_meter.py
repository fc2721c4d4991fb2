from __future__ import annotations

import pytest
from meter_contract import EnergyMeterContract

from objectives.energy.meter import CounterMeter, MeterError
from objectives.measurement import Source


def replay(*counts: int | OSError, counter_range: int | None = None) -> CounterMeter:
    """A meter that replays recorded counts."""
    recorded = iter(counts)

    def read() -> list[int]:
        count = next(recorded)
        if isinstance(count, OSError):
            raise count
        return [count]

    return CounterMeter(
        source=Source.RAPL, scope="a recording", read=read, joules_per_count=0.5, ranges=[counter_range]
    )


class TestCounterMeter(EnergyMeterContract):
    @pytest.fixture
    def meter(self) -> CounterMeter:
        self.count = 7
        return CounterMeter(
            source=Source.RAPL,
            scope="two halves of a counter",
            read=lambda: [self.count, self.count],
            joules_per_count=1e-3,
            ranges=[None, None],
        )

    def spend(self, joules: float) -> None:
        self.count += round(joules * 1000 / 2)


def test_a_counter_that_came_round_goes_on() -> None:
    meter = replay(90, 10, counter_range=100)
    meter.start()
    assert meter.stop() == 0.5 * 20


def test_a_counter_without_a_range_never_goes_back() -> None:
    meter = replay(90, 10)
    meter.start()
    with pytest.raises(MeterError, match="went back from 90 to 10"):
        meter.stop()


def test_a_counter_that_vanishes_is_an_error_and_the_window_is_closed() -> None:
    meter = replay(1, OSError("gone"), 4, 6)
    meter.start()
    with pytest.raises(MeterError, match="cannot be read: gone"):
        meter.stop()
    meter.start()
    assert meter.stop() == 1
