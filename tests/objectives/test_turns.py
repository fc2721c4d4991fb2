from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from objectives.clocks import Clock, Clocks, Pass
from objectives.latency import latency_of
from objectives.repeats import compared, is_gain
from objectives.turns import MOST_PASSES, centres_of, interleaved_turns, spread_of


class World:
    """Clocks that runs move on; a neighbour takes the processor away in the middle of some of them."""

    def __init__(self, *, neighbour: float = 0.0, waits: int = 0, scatter: float = 0.0) -> None:
        self.elapsed = self.processor = 0.0
        self.interruptions = self.waits = 0
        self.rng = np.random.default_rng(1)
        self.neighbour, self.waiting, self.scatter = neighbour, waits, scatter
        self.clocks = Clocks(lambda: self.elapsed, lambda: self.processor, lambda: (self.interruptions, self.waits))

    def run(self, seconds: float) -> Callable[[], None]:
        def run() -> None:
            own = seconds * float(np.exp(self.scatter * self.rng.normal()))
            self.processor += own
            self.elapsed += own
            self.waits += self.waiting
            if self.rng.random() < self.neighbour:
                self.elapsed += 3 * float(self.rng.exponential(seconds))
                self.interruptions += 1

        return run


def turns(world: World, *, seconds: float = 20.0, threads: int = 1, **of: float):  # type: ignore[no-untyped-def]
    runs = {name: world.run(each) for name, each in of.items()}
    rng = np.random.default_rng(0)
    return interleaved_turns(runs, dense="dense", threads=threads, rng=rng, seconds=seconds, clocks=world.clocks)


def test_a_neighbour_does_not_lengthen_what_one_thread_takes() -> None:
    clock, taken = turns(World(neighbour=0.9), dense=0.02, half=0.01)
    assert clock is Clock.PROCESSOR
    assert centres_of(taken["half"], clock) / centres_of(taken["dense"], clock) == pytest.approx(0.5)
    assert centres_of(taken["half"], Clock.ELAPSED).mean() > 0.015


@pytest.mark.parametrize("world", [{"waits": 1}, {}], ids=["waiting", "two threads"])
def test_what_waits_or_has_threads_is_timed_by_what_passes(world: dict[str, int]) -> None:
    assert turns(World(**world), threads=1 if world else 2, dense=0.02)[0] is Clock.ELAPSED


def test_it_ends_when_every_ratio_is_known() -> None:
    rounds = [len(turns(World(scatter=s), dense=0.02, half=0.01)[1]["dense"]) for s in (0.001, 0.05, 0.2)]
    assert rounds[0] == 8
    assert 8 < rounds[1] < rounds[2] == 200


@pytest.mark.parametrize("comparisons", [1, 2, 40, 1000])
def test_slow_models_run_as_often_as_a_gain_among_all_comparisons_takes(comparisons: int) -> None:
    world = World(scatter=0.01)
    runs = {"dense": world.run(60.0), "half": world.run(30.0)}
    clock, taken = interleaved_turns(
        runs,
        dense="dense",
        threads=1,
        rng=np.random.default_rng(0),
        seconds=1.0,
        comparisons=comparisons,
        clocks=world.clocks,
    )
    costs = {key: latency_of(centres_of(each, clock), {}) for key, each in taken.items()}
    assert is_gain(compared(costs, dense="dense")["half"].ratio, comparisons=comparisons)


def test_fast_models_make_several_passes_in_turn_unless_time_is_short() -> None:
    lengths = {name: len(each[0]) for name, each in turns(World(), dense=0.02, tiny=1e-5, fast=0.003)[1].items()}
    assert lengths == {"dense": 1, "tiny": MOST_PASSES, "fast": 3}
    assert {len(each[0]) for each in turns(World(), seconds=0.01, dense=0.001, tiny=1e-4)[1].values()} == {1}


def test_a_first_pass_in_cold_caches_does_not_count() -> None:
    turn = [Pass(9.0, 9.0, 0, 0), Pass(1.0, 1.0, 0, 0), Pass(1.1, 1.1, 0, 0)]
    assert centres_of([turn], Clock.PROCESSOR) == [1.1]


def test_percentiles_are_told_when_there_are_enough_passes() -> None:
    def passes(n: int) -> list[list[Pass]]:
        return [[Pass(float(i), 0.0, 0, 0)] for i in range(n)]

    assert spread_of(passes(5)) == {"passes": 5, "p50": 2.0}
    assert set(spread_of(passes(20))) == {"passes", "p50", "p95"}
    assert spread_of(passes(101)) == {"passes": 101, "p50": 50.0, "p95": 95.0, "p99": 99.0}
