"""Interrupts that native code loses or turns into another error."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from optimizer.interrupts import interrupts_end
from optimizer.progress import Event, ignore

EVENT = Event(stage="search")


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Interrupts as a terminal sends them; whoever runs the tests may ignore them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def lose_an_interrupt() -> None:
    with suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_lost_interrupt_is_raised_at_the_next_event() -> None:
    told: list[Event] = []
    with pytest.raises(KeyboardInterrupt), interrupts_end(told.append) as tell:
        tell(EVENT)
        lose_an_interrupt()
        tell(EVENT)
    assert told == [EVENT]


def test_an_error_in_place_of_an_interrupt_is_its_cause() -> None:
    with pytest.raises(KeyboardInterrupt) as caught, interrupts_end(ignore):
        lose_an_interrupt()
        raise ValueError("could not determine the shape")
    assert isinstance(caught.value.__cause__, ValueError)


def test_an_error_without_an_interrupt_stays_what_it_is() -> None:
    with pytest.raises(ValueError, match="own"), interrupts_end(ignore):
        raise ValueError("own")


def test_who_handles_interrupts_in_another_way_goes_on_doing_so() -> None:
    struck: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _frame: struck.append(number))
    with interrupts_end(ignore) as tell:
        signal.raise_signal(signal.SIGINT)
        tell(EVENT)
    assert struck == [signal.SIGINT]
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_other_threads_hear_no_interrupts() -> None:
    def enter() -> bool:
        with interrupts_end(ignore) as tell:
            return tell is ignore

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(enter).result()
