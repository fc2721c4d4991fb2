from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from replay import MICROJOULE, Hardware

from objectives.energy.meter import CounterMeter, MeterError, State
from objectives.energy.windows import Batch, WindowPlan, Windows, take_windows
from objectives.rounds import Pace

DENSE, LEAN = (0.020, 300.0), (0.012, 250.0)  # seconds and watts of a pass: 6 J and 3 J


def passing(hardware: Hardware, seconds: float, watts: float, *, scatter: float = 0.0) -> Callable[[], None]:
    rng = np.random.default_rng(3)
    return lambda: hardware.draw(seconds, watts * float(np.exp(scatter * rng.normal())))


def windows(hardware: Hardware, meter: CounterMeter | None = None, scatter: float = 0.0, **options: object) -> Windows:
    batches = {
        "dense": Batch(passing(hardware, *DENSE, scatter=scatter), 1),
        "lean": Batch(passing(hardware, *LEAN, scatter=scatter), 1),
    }
    return take_windows(batches, meter or hardware.meter(), dense="dense", plan=plan(hardware, **options))


def plan(hardware: Hardware, **options: object) -> WindowPlan:
    usual = {"clock": lambda: hardware.now, "sleep": hardware.rest}
    return WindowPlan(rng=np.random.default_rng(0), **{**usual, **options})


def each(found: Windows, key: str) -> float:
    return float(np.mean([window.each for window in found.taken[key]]))


@pytest.mark.parametrize(
    "hardware",
    [
        Hardware(),
        Hardware(jitter=0.9),
        Hardware(comes_round=round(2000 / MICROJOULE)),  # after seven seconds of the dense model
        Hardware(resets=(9.0, 14.0)),
    ],
    ids=["steps", "jitter", "comes round", "resets"],
)
def test_windows_find_the_joules_of_a_pass_whatever_its_counter_does(hardware: Hardware) -> None:
    found = windows(hardware)
    assert each(found, "dense") == pytest.approx(6, rel=0.05)
    assert each(found, "lean") == pytest.approx(3, rel=0.05)
    assert found.idle_w == pytest.approx((60, 60), rel=0.12)
    assert found.said("dense")["net_j"] == pytest.approx(6 - 0.02 * 60, rel=0.05)


def test_a_known_duty_cycle_is_its_mean_power() -> None:
    hardware = Hardware()

    def burn() -> None:  # 30 % of the time at 200 W
        hardware.draw(0.03, 200.0)
        hardware.rest(0.07)

    found = take_windows({"burner": Batch(burn, 1)}, hardware.meter(), dense="burner", plan=plan(hardware))
    assert each(found, "burner") == pytest.approx(0.03 * 200 + 0.07 * 60, rel=0.05)


def test_windows_end_when_the_ratio_is_known_and_not_before() -> None:
    assert len(windows(Hardware(step_s=0.01)).taken["lean"]) == 5
    assert len(windows(Hardware(), scatter=1.5).taken["lean"]) == 10
    assert len(windows(Hardware(), pace=Pace(seconds=1.0, fewest=3, look=5)).taken["lean"]) == 3


def test_permission_lost_midway_is_an_error() -> None:
    with pytest.raises(MeterError, match="Permission denied"):
        windows(Hardware(silent=(20.0, 1e9)))


def test_a_machine_that_slept_loses_one_window_and_one_that_always_does_gives_up() -> None:
    hardware = Hardware()
    usual, slept = passing(hardware, *DENSE), [False]

    def once() -> None:
        if hardware.now > 10 and not slept[0]:
            slept[0] = True
            hardware.draw(600.0, 5.0)
        usual()

    batches = {"dense": Batch(once, 1)}
    found = take_windows(batches, hardware.meter(), dense="dense", plan=plan(hardware))
    assert slept == [True]
    assert each(found, "dense") == pytest.approx(6, rel=0.05)
    hardware = Hardware(resets=tuple(np.arange(0.0, 1000.0, 1.5)))
    with pytest.raises(MeterError, match="3 windows in a row were lost"):
        windows(hardware)


def test_power_at_rest_that_moves_and_slowed_hardware_are_told_and_warm_hardware_rests() -> None:
    hardware = Hardware()
    celsius, rested = iter([50.0, *[70.0] * 3, *[50.0] * 1000]), list[float]()
    plain = hardware.meter()
    states = (State(next(celsius), ("power limit",)) for _ in range(1000))
    meter = CounterMeter(
        source=plain.source,
        scope="",
        read=lambda: [hardware.count()],
        joules_per_count=MICROJOULE,
        ranges=[None],
        state=lambda: next(states),
    )

    def sleep(seconds: float) -> None:
        rested.append(seconds)
        hardware.draw(seconds, 60.0 if hardware.now < 20 else 90.0)

    batches = {"dense": Batch(passing(hardware, *DENSE), 1)}
    found = take_windows(batches, meter, dense="dense", plan=plan(hardware, sleep=sleep))
    assert rested.count(0.5) == 3 + 2  # and before the power at rest, twice
    assert found.said("dense")["throttled"] == "power limit"
    assert "W before and" in str(found.said("dense")["idle_drift"])
