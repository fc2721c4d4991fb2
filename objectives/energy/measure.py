"""Energy of one inference of several models: by windows of a meter taken in turn, or from the model of the device.

A counter moves in steps of up to a tenth of a second, so a window lasts seconds. Windows of all models alternate in
random order, so that a chip growing warmer favours none of them. Idle power is not taken off: what is drawn is counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from objectives.energy.choose import MeterChoice
from objectives.energy.meter import EnergyMeter, MeterError
from objectives.energy.modelled import model_conditions, modelled_energy
from objectives.measurement import JsonScalar, Measurement, Source
from objectives.repeats import Compared, Key, compared, mean_with_interval, median_with_interval
from objectives.rounds import Run, Seconds

WINDOW_S = 3.0
WINDOWS = 3
LATENCY_ONLY = ("rounds", "interquartile_range")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One forward pass as energy sees it.

    `run` finishes its work before it returns; `inferences` is its batch; `latency` its measured seconds;
    `flops` and `bytes_moved` are of the whole pass (read only where energy is modelled).
    """

    run: Run
    inferences: int
    latency: Measurement
    flops: float
    bytes_moved: float


def measure_energy(
    works: Mapping[Key, Work],
    choice: MeterChoice,
    *,
    dense: Key,
    rng: np.random.Generator,
    window_s: float = WINDOW_S,
    windows: int = WINDOWS,
    clock: Seconds = time.perf_counter,
) -> dict[Key, Compared]:
    """Return the joules per inference of every work, and their ratio to those of `works[dense]`.

    With a meter each work takes `windows` windows of `window_s` seconds, and values are means with Student intervals.
    Without one nothing runs: energies follow from the latencies, whose samples and intervals they inherit.

    Args:
        works: one forward pass of every model, the dense one among them.
        choice: what `choose_meter` found for their device.
        dense: the key of the dense model.
        rng: draws the order of every round of windows.
        window_s: seconds of one window, several times the step of the counter.
        windows: windows per work; fewer than two leave no interval.
        clock: monotonic seconds.

    Raises:
        MeterError: the meter fails, or does not move during a window.
    """
    if choice.meter is None:
        modelled = {key: _modelled(work, choice) for key, work in works.items()}
        return compared(modelled, dense=dense, summary=median_with_interval)
    window = partial(_joules_per_inference, meter=choice.meter, window_s=window_s, clock=clock)
    joules = _rounds(works, window, rng=rng, rounds=windows)
    metered = {key: _metered(joules[key], work, choice, window_s=window_s) for key, work in works.items()}
    return compared(metered, dense=dense, summary=mean_with_interval)


def _rounds(
    works: Mapping[Key, Work], window: Callable[[Work], float], *, rng: np.random.Generator, rounds: int
) -> dict[Key, list[float]]:
    for work in works.values():
        work.run()
    keys = list(works)
    joules: dict[Key, list[float]] = {key: [] for key in keys}
    for _ in range(rounds):
        for index in rng.permutation(len(keys)):
            joules[keys[index]].append(window(works[keys[index]]))
    return joules


def _joules_per_inference(work: Work, *, meter: EnergyMeter, window_s: float, clock: Seconds) -> float:
    """Return the joules per inference over one window of at least one run."""
    runs = 0
    meter.start()
    began = clock()
    try:
        while runs == 0 or clock() - began < window_s:
            work.run()
            runs += 1
    finally:
        joules = meter.stop()
    if joules <= 0:
        raise MeterError(f"{meter.source}: the counter did not move in {window_s} s; it cannot be used on this machine")
    return joules / (runs * work.inferences)


def _metered(joules: list[float], work: Work, choice: MeterChoice, *, window_s: float) -> Measurement:
    value, interval = mean_with_interval(joules)
    return Measurement(
        quantity="energy",
        value=value,
        unit="J",
        source=choice.source,
        n=len(joules),
        interval=interval,
        conditions={
            **_request(work),
            "scope": choice.scope,
            "reason": choice.reason,
            "window_s": window_s,
            "idle_subtracted": False,
        },
        samples=tuple(joules),
    )


def _modelled(work: Work, choice: MeterChoice) -> Measurement:
    kind = choice.device.type
    threads = int(str(work.latency.conditions.get("threads", 1)))

    def joules(seconds: float) -> float:
        total = modelled_energy(
            flops=work.flops, bytes_moved=work.bytes_moved, seconds=seconds, device_kind=kind, threads=threads
        )
        return total / work.inferences

    interval = work.latency.interval
    return Measurement(
        quantity="energy",
        value=joules(work.latency.value),
        unit="J",
        source=Source.MODELLED,
        n=work.latency.n,
        interval=interval and replace(interval, lower=joules(interval.lower), upper=joules(interval.upper)),
        conditions={
            **_request(work),
            "scope": choice.scope,
            "reason": choice.reason,
            "bytes_moved": work.bytes_moved,
            **model_conditions(kind),
        },
        samples=tuple(joules(seconds) for seconds in work.latency.samples),
    )


def _request(work: Work) -> dict[str, JsonScalar | list[JsonScalar]]:
    """Return the conditions of the latency that are about the request, not about its rounds."""
    return {key: value for key, value in work.latency.conditions.items() if key not in LATENCY_ONLY}
