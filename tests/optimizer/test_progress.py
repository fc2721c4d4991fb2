from __future__ import annotations

import pytest

from optimizer.progress import Stages, ignore


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now

    def spend(self, seconds: float) -> float:
        self.now += seconds
        return seconds


def test_every_second_is_counted_once_for_the_innermost_part() -> None:
    clock, records = Clock(), []
    stages = Stages(ignore, records.append, clock)
    double = stages.timed("evaluate", lambda seconds: 2 * clock.spend(seconds))
    with stages.stage("search"):
        clock.spend(1)
        assert double(4.0) == 8.0
        with stages.part("screen"):
            clock.spend(8)
            assert double(16.0) == 32.0
        clock.spend(32)
    clock.spend(1000)  # outside of any stage
    with stages.stage("verify"):
        clock.spend(64)
    assert records == [{"search": 33.0, "evaluate": 20.0, "screen": 8.0}, {"verify": 64.0}]


def test_the_seconds_of_what_failed_are_recorded_too() -> None:
    clock, records = Clock(), []
    stages = Stages(ignore, records.append, clock)
    with pytest.raises(RuntimeError), stages.stage("search"), stages.part("evaluate"):
        clock.spend(2)
        raise RuntimeError
    assert records == [{"search": 0.0, "evaluate": 2.0}]
