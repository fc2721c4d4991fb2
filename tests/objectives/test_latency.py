from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from tiny_encoders import remove_blocks, tiny, tokens
from torch import nn

from objectives.clocks import Clocks, timed
from objectives.latency import interleaved_latency, measure_latency, waited_for
from objectives.measurement import Source
from objectives.rounds import MIN_ROUNDS


class World:
    """A clock that only runs of models move on; the machine slows down as it goes."""

    def __init__(self, drift: float = 0.0) -> None:
        self.now = 0.0
        self.drift = drift
        self.log: list[str] = []

    @property
    def clocks(self) -> Clocks:
        return Clocks(lambda: self.now, lambda: self.now, lambda: (0, 0))

    def run(self, name: str, seconds: float) -> Callable[[], None]:
        def run() -> None:
            self.log.append(name)
            self.now += seconds * (1 + self.drift * self.now)

        return run


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_every_run_is_timed_once_per_round_and_every_sample_kept() -> None:
    world = World()
    runs = {"dense": world.run("dense", 0.2), "small": world.run("small", 0.1)}
    samples = interleaved_latency(runs, threads=1, rng=rng(), seconds=0, min_rounds=7, clocks=world.clocks)
    assert samples["dense"] == pytest.approx([0.2] * 7)
    assert samples["small"] == pytest.approx([0.1] * 7)
    rounds = [set(world.log[i : i + 2]) for i in range(0, len(world.log), 2)]
    assert rounds == [{"dense", "small"}] * (2 + 7)  # two warm-ups


def test_the_order_within_a_round_changes() -> None:
    world = World()
    runs = {name: world.run(name, 0.1) for name in "abc"}
    interleaved_latency(runs, threads=1, rng=rng(), seconds=0, min_rounds=20, clocks=world.clocks)
    orders = {"".join(world.log[i : i + 3]) for i in range(6, len(world.log), 3)}
    assert len(orders) > 3


def test_rounds_fill_the_budget_and_do_not_pass_it() -> None:
    world = World()
    runs = {name: world.run(name, 0.25) for name in ("dense", "small")}
    samples = interleaved_latency(runs, threads=1, rng=rng(), seconds=10, clocks=world.clocks)
    assert world.now == 10
    assert len(samples["dense"]) == 18


def test_slow_models_get_the_least_number_of_rounds_and_fast_ones_the_most() -> None:
    rounds = {}
    for seconds in (60, 1e-6):
        world = World()
        runs = {0: world.run("", seconds)}
        rounds[seconds] = len(interleaved_latency(runs, threads=1, rng=rng(), seconds=5, clocks=world.clocks)[0])
    assert rounds == {60: 6, 1e-6: 200}


def test_a_machine_that_slows_down_does_not_favour_whoever_ran_first() -> None:
    world = World(drift=0.02)
    runs = {"dense": world.run("dense", 0.1), "same": world.run("same", 0.1)}
    samples = interleaved_latency(runs, threads=1, rng=rng(), seconds=60, clocks=world.clocks)
    assert samples["dense"][-1] > 1.5 * samples["dense"][0]
    assert np.median(samples["same"] / samples["dense"]) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("threads", "seconds"), [(1, 0.1), (2, 0.4), (0, 0.4)])
def test_the_work_of_others_does_not_lengthen_a_pass_on_one_thread(threads: int, seconds: float) -> None:
    world = World()
    busy = Clocks(lambda: 4 * world.now, lambda: world.now, lambda: (0, 0))
    samples = interleaved_latency({0: world.run("", 0.1)}, threads=threads, rng=rng(), seconds=0, clocks=busy)
    assert samples[0] == pytest.approx([seconds] * MIN_ROUNDS)


def test_nothing_to_time_and_no_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="latency"):
        interleaved_latency({}, threads=1, rng=rng())
    with pytest.raises(ValueError, match="min_rounds"):
        interleaved_latency({0: lambda: None}, threads=1, rng=rng(), min_rounds=0)


def test_real_models_are_compared_under_stated_conditions_and_left_as_found() -> None:
    dense, small = tiny("bert").train(), tiny("bert")
    remove_blocks(small, 0)
    remove_blocks(small, 1)
    result = measure_latency(
        {"dense": dense, 7: small},
        lambda batch: tokens(batch, 25),
        dense="dense",
        batch=2,
        rng=rng(),
        seconds=3.0,  # on a quiet machine it ends much earlier
        threads=1,
        shape={"length": 25},
    )
    latency, ratio = result[7]
    assert (latency.quantity, latency.unit, latency.source) == ("latency", "s", Source.MEASURED)
    assert latency.n == len(latency.samples) == latency.conditions["rounds"] >= 6
    assert latency.value == np.median(latency.samples) > 0
    stated = {key: latency.conditions[key] for key in ("batch", "length", "dtype", "device", "threads")}
    assert stated == {"batch": 2, "length": 25, "dtype": "float32", "device": "cpu", "threads": 1}
    assert ratio.interval.lower <= ratio.value <= ratio.interval.upper < 1
    assert result["dense"].ratio.value == 1
    assert dense.training
    assert not small.training


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_gpu_is_waited_for() -> None:
    models = {"dense": tiny("bert").cuda()}
    result = measure_latency(models, lambda batch: tokens(batch, 64), dense="dense", batch=32, rng=rng(), seconds=1)
    assert result["dense"].absolute.conditions["device"] == "cuda:0"
    assert result["dense"].absolute.value > 1e-5


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@torch.inference_mode()
def test_the_seconds_of_a_pass_on_a_gpu_are_those_between_two_of_its_events() -> None:
    layer, inputs = nn.Linear(8192, 8192).cuda(), torch.randn(8192, 8192, device="cuda")  # tens of milliseconds
    run = waited_for(partial(layer, inputs), inputs.device)
    run()
    passes, between = list[float](), list[float]()
    for _ in range(20):
        began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        began.record()
        passes.append(timed(run).elapsed)
        ended.record()
        ended.synchronize()
        between.append(began.elapsed_time(ended) / 1e3)
    assert np.median(passes) == pytest.approx(np.median(between), rel=0.05)


def test_deep_networks_are_timed_in_several_sessions_each_beside_the_dense_one() -> None:
    def network(convolutions: int) -> nn.Module:
        return Pixels(*(nn.Conv2d(1, 1, 1) for _ in range(convolutions)))

    models = {"a": network(200), "dense": network(150), "b": network(200)}
    result = measure_latency(
        models, lambda batch: {"pixels": torch.randn(batch, 1, 2, 2)}, dense="dense", batch=1, rng=rng(), seconds=0.2
    )
    assert list(result) == list(models)
    assert result["dense"].ratio.value == 1
    assert all(result[key].absolute.n >= 6 and result[key].ratio.value > 0 for key in models)


class Pixels(nn.Sequential):
    """Takes its input by name."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return super().forward(pixels)
