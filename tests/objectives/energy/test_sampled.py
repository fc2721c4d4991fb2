from __future__ import annotations

import threading

import pytest

from objectives.energy.meter import MeterError, State
from objectives.energy.sampled import PowerMeter
from objectives.measurement import Source


def test_a_thread_samples_while_a_window_is_open_and_ends_with_it() -> None:
    taken, enough, now = list[float](), threading.Event(), iter(range(1000))

    def read() -> float:
        taken.append(10.0)
        if len(taken) > 3:
            enough.set()
        return 10.0

    meter = PowerMeter(
        source=Source.NVML_POWER, scope="here", read_w=read, period_s=0.005, clock=lambda: next(now) / 100
    )
    before = {*threading.enumerate()}
    meter.start()
    assert enough.wait(120)
    joules = meter.stop()
    assert joules == pytest.approx(10 * (len(taken) - 1) / 100)
    assert {*threading.enumerate()} <= before


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
