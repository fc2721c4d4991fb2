"""Energy of one inference of several models: by windows of a meter taken in turn, or from the model of the device.

A metered figure is what is drawn, power at rest included; what remains without that stands in its conditions. A meter
that fails on the way leaves modelled figures, which say why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from objectives.energy.choose import MeterChoice
from objectives.energy.meter import EnergyMeter, MeterError
from objectives.energy.modelled import model_conditions, modelled_energy
from objectives.energy.windows import WINDOW_S, Batch, Windows, take_windows
from objectives.latency import LATENCY_ONLY
from objectives.measurement import JsonScalar, Measurement, Source
from objectives.repeats import COPIES, Compared, Key, compared, copies_of, mean_with_interval
from objectives.rounds import Pace, Run, Seconds


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
    pace: Pace | None = None,
    clock: Seconds = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[Key, Compared]:
    """Return the joules per inference of every work, and their ratio to those of `works[dense]`.

    With a meter works take windows of `window_s` seconds in turn until the ratios are known (`windows.py`); values are
    means with Student intervals. Without one nothing runs: energies follow from the latencies.

    Args:
        works: one forward pass of every model, the dense one among them.
        choice: what `choose_meter` found for their device.
        dense: the key of the dense model.
        rng: draws the order of every round of windows.
        window_s: seconds of one window, several times the step of the counter.
        pace: how many windows, and how long; None for those of `take_windows`.
        clock: monotonic seconds.
        sleep: rests so many seconds.

    Raises:
        MeterError: a meter that is `required` fails, or does not move during a window.
    """
    if choice.meter is not None:
        try:
            metered = _metered_all(
                works, choice, choice.meter, dense, rng, window_s=window_s, pace=pace, clock=clock, sleep=sleep
            )
        except MeterError as error:
            if choice.required:
                raise
            choice = replace(choice, meter=None, reason=f"modelled, since the meter failed: {error}")
        else:
            return compared(metered, dense=dense)
    return compared({key: _modelled(work, choice) for key, work in works.items()}, dense=dense)


def _metered_all(
    works: Mapping[Key, Work],
    choice: MeterChoice,
    meter: EnergyMeter,
    dense: Key,
    rng: np.random.Generator,
    *,
    window_s: float,
    pace: Pace | None,
    clock: Seconds,
    sleep: Callable[[float], None],
) -> dict[Key, Measurement]:
    batches = {key: Batch(work.run, work.inferences) for key, work in works.items()}
    windows = take_windows(batches, meter, dense=dense, rng=rng, window_s=window_s, pace=pace, clock=clock, sleep=sleep)
    return {key: _metered(key, windows, work, choice, window_s=window_s) for key, work in works.items()}


def _metered(key: Key, windows: Windows[Key], work: Work, choice: MeterChoice, *, window_s: float) -> Measurement:
    joules = [each.each for each in windows.taken[key]]
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
            **windows.said(key),
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
            COPIES: copies_of(work.latency),
            "scope": choice.scope,
            "reason": choice.reason,
            "bytes_moved": work.bytes_moved,
            **model_conditions(kind),
        },
        samples=tuple(joules(seconds) for seconds in work.latency.samples),
    )


def _request(work: Work) -> dict[str, JsonScalar | list[JsonScalar]]:
    """Return the conditions of the latency that are about the request, not about its rounds."""
    return {key: value for key, value in work.latency.conditions.items() if key not in (*LATENCY_ONLY, COPIES)}
