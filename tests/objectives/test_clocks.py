from __future__ import annotations

import time

import pytest

from objectives.clocks import Clock, Clocks, Pass, clock_of, switches, timed


def spin(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_work_takes_both_times_and_waiting_only_one() -> None:
    working, waiting = timed(lambda: spin(0.01)), timed(lambda: time.sleep(0.01))
    assert working.processor >= 0.01
    assert working.elapsed >= 0.99 * working.processor  # the kernel keeps two clocks: microseconds apart
    assert waiting.elapsed >= 0.01 > 10 * waiting.processor
    assert waiting.waits >= 1
    assert waiting.seconds(Clock.ELAPSED) == waiting.elapsed
    assert waiting.seconds(Clock.PROCESSOR) == waiting.processor


def test_interruptions_and_waits_only_grow() -> None:
    before = switches()
    time.sleep(0.001)
    after = switches()
    assert after[0] >= before[0]
    assert after[1] > before[1]


def test_a_pass_is_what_the_clocks_moved_meanwhile() -> None:
    now = {"elapsed": 5.0, "processor": 1.0, "switches": (3, 7)}
    clocks = Clocks(lambda: now["elapsed"], lambda: now["processor"], lambda: now["switches"])
    assert timed(lambda: now.update(elapsed=7.0, processor=1.5, switches=(4, 7)), clocks) == Pass(2.0, 0.5, 1, 0)


@pytest.mark.parametrize(
    ("waits", "threads", "clock"),
    [
        ([0, 0, 0], 1, Clock.PROCESSOR),
        ([0, 1, 0, 0], 1, Clock.PROCESSOR),
        ([2, 1, 0, 0], 1, Clock.ELAPSED),
        ([0, 0, 0], 2, Clock.ELAPSED),
        ([0], 0, Clock.ELAPSED),
    ],
)
def test_processor_time_describes_one_thread_that_hardly_waits(waits: list[int], threads: int, clock: Clock) -> None:
    assert clock_of([Pass(1.0, 1.0, 0, each) for each in waits], threads=threads) is clock
