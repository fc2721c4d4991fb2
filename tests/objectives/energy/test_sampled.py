from __future__ import annotations

import threading
import time

import pytest

from objectives.energy.meter import MeterError, State
from objectives.energy.sampled import PowerMeter
from objectives.measurement import Source


def test_a_thread_samples_while_a_window_is_open_and_ends_with_it() -> None:
    samples: list[float] = []

    def read() -> float:
        samples.append(time.perf_counter())
        return 10.0

    meter = PowerMeter(source=Source.NVML_POWER, scope="here", read_w=read, period_s=0.005)
    before = threading.active_count()
    meter.start()
    time.sleep(0.1)
    joules = meter.stop()
    assert len(samples) > 3
    assert joules == pytest.approx(10 * (samples[-1] - samples[0]), rel=0.05)
    assert threading.active_count() == before


def test_power_between_samples_is_a_straight_line() -> None:
    now = iter([0.0, 0.1, 0.3, 0.5])
    watts = iter([0.0, 100.0, 50.0, 50.0])
    meter = PowerMeter(
        source=Source.NVML_POWER,
        scope="",
        read_w=lambda: next(watts),
        period_s=None,
        clock=lambda: next(now),
        state=lambda: State(50),
    )
    meter.start()
    meter.sample()
    meter.sample()
    assert meter.stop() == pytest.approx(0.1 * 50 + 0.2 * 75 + 0.2 * 50)
    assert meter.state().celsius == 50


def test_a_gap_and_a_lost_device_are_errors_and_the_next_window_works() -> None:
    now, lost = 0.0, False

    def read() -> float:
        if lost:
            raise MeterError("GPU is lost")
        return 1.0

    meter = PowerMeter(source=Source.NVML_POWER, scope="", read_w=read, period_s=None, clock=lambda: now)
    meter.start()
    now = 1.5
    with pytest.raises(MeterError, match=r"no power was read for 1.5 s"):
        meter.stop()
    meter.start()
    lost = True
    meter.sample()
    lost = False
    with pytest.raises(MeterError, match="lost"):
        meter.stop()
    meter.start()
    now += 0.5
    assert meter.stop() == pytest.approx(0.5)
