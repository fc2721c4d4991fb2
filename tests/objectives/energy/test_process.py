"""Accounts of a process: what counters of the whole machine say, and what of it is its own."""

from __future__ import annotations

import pytest
import torch
from replay import Hardware

from objectives.energy.computed import Computed, Traffic
from objectives.energy.process import ProcessAccount, accounted, all_cpu_s, own_cpu_s, tell_computed
from objectives.energy.spent import CPU, RAM
from objectives.measurement import Source


class Machine:
    """A replayed machine: 50 W whatever runs; of its processor time a quarter is ours."""

    def __init__(self, *, comes_round: int | None = None, silent: float = float("inf")) -> None:
        self.hardware = Hardware(step_s=0.001, comes_round=comes_round, silent=(silent, float("inf")))

    def account(self) -> ProcessAccount:
        account = ProcessAccount(
            torch.device("cpu"),
            {CPU: self.hardware.meter()},
            clock=lambda: self.hardware.now,
            times=lambda _: (self.hardware.now / 2, 2 * self.hardware.now),
        )
        account.start()
        return account

    def works(self, seconds: float) -> None:
        self.hardware.draw(seconds, 50.0)


def test_a_counter_counts_the_whole_machine_of_which_the_share_of_processor_time_is_ours() -> None:
    machine = Machine()
    account = machine.account()
    machine.works(4.0)
    first = account.take()
    machine.works(2.0)
    both = first.plus(account.take())
    account.end()
    assert (both.seconds, both.own_cpu_s, both.all_cpu_s, both.share) == pytest.approx((6.0, 3.0, 12.0, 0.25))
    assert both.parts[CPU].joules == pytest.approx(300.0, rel=0.01)
    assert (both.parts[CPU].source, both.parts[CPU].counts_all) == (Source.RAPL, True)
    assert both.parts[RAM].joules == pytest.approx(6.0 * both.resident_bytes * 0.392e-9, rel=0.2)
    assert not both.parts[RAM].counts_all


def test_a_counter_that_comes_round_is_read_often_enough_and_one_that_fails_is_modelled() -> None:
    machine = Machine(comes_round=120_000_000)  # 120 J, so after 2.4 s
    account = machine.account()
    for _ in range(3):
        machine.works(2.0)
        account.tick()
    assert account.take().parts[CPU].joules == pytest.approx(300.0, rel=0.01)
    account.end()
    machine = Machine(silent=1.0)
    account = machine.account()
    machine.works(2.0)
    spent = account.take().parts[CPU]
    account.end()
    assert (spent.source, spent.counts_all) == (Source.MODELLED, False)
    assert spent.joules > 0


def test_this_process_is_counted_on_this_machine() -> None:
    before = own_cpu_s(), all_cpu_s()
    with accounted(torch.device("cpu")) as account:
        sum(number * number for number in range(200_000))
        spent = account.take()
    assert before[0] < own_cpu_s()
    assert before[1] <= all_cpu_s()
    assert spent.resident_bytes > 50 * 2**20
    assert {CPU, RAM} == spent.parts.keys()


def test_work_below_the_clock_tick_of_the_system_is_counted() -> None:
    for alone in (False, True):
        account = ProcessAccount(torch.device("cpu"), alone=alone)
        account.start()
        sum(number * number for number in range(100))
        spent = account.take()
        account.end()
        assert spent.own_cpu_s > 0
        assert spent.parts[CPU].joules > 0


def test_what_is_told_of_the_work_adds_to_the_joules_that_nothing_counts_in_every_account() -> None:
    work = Computed.of(1e12, Traffic.once(1e10))
    inner, outer = accounts = [
        ProcessAccount(torch.device("cpu"), clock=lambda: 0.0, times=lambda _: (0.0, 0.0)) for _ in range(2)
    ]  # where time stands still
    for account in accounts:
        account.start()
    tell_computed(work)
    with_work, again, whole = inner.take(), inner.take(), outer.take()
    for account in accounts:
        account.end()
    for part in (CPU, RAM):
        assert with_work.parts[part].joules > 0.1
        assert again.parts[part].joules == 0.0
    assert whole.parts == with_work.parts
    machine = Machine()
    account = machine.account()
    machine.works(1.0)
    account.add(work)
    spent = account.take()
    account.end()
    assert spent.parts[CPU].joules == pytest.approx(50.0, rel=0.02)  # it is counted, whatever is said of the work
    assert spent.own_joules == pytest.approx(12.5 + spent.parts[RAM].joules, rel=0.02)
