"""Energy of one inference of several models: by windows of a meter taken in turn, or from the model of the device.

A metered figure is what is drawn, power at rest included; what remains without that stands in its conditions. A meter
that fails on the way leaves modelled figures, which say why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from objectives.energy.choose import MeterChoice
from objectives.energy.computed import Computed
from objectives.energy.meter import MeterError
from objectives.energy.modelled import EnergyModel, Floats, model_of, normal_draws
from objectives.energy.windows import Batch, WindowPlan, Windows, take_windows
from objectives.latency import LATENCY_ONLY
from objectives.measurement import JsonScalar, Measurement, Source
from objectives.repeats import COPIES, DRAWS, Compared, Key, compared, drawn_interval, half_width, mean_with_interval
from objectives.rounds import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One forward pass as energy sees it.

    `run` finishes its work before it returns; `inferences` is its batch; `latency` its measured seconds, and `ratio`
    their ratio to the dense model's in the same rounds, where the rounds of all works are not the same. `computed` is
    of the whole pass (read only where energy is modelled).
    """

    run: Run
    inferences: int
    latency: Measurement
    computed: Computed
    ratio: Measurement | None = None


def measure_energy(
    works: Mapping[Key, Work], choice: MeterChoice, *, dense: Key, plan: WindowPlan
) -> dict[Key, Compared]:
    """Return the joules per inference of every work, and their ratio to those of `works[dense]`.

    With a meter works take windows in turn, as planned, until the ratios are known (`windows.py`); values are means
    with Student intervals. Without one nothing runs: energies follow from the latencies.

    Args:
        works: one forward pass of every model, the dense one among them.
        choice: what `choose_meter` found for their device.
        dense: the key of the dense model.
        plan: how windows are taken.

    Raises:
        MeterError: a meter that is `required` fails, or does not move during a window.
    """
    if choice.meter is not None:
        batches = {key: Batch(work.run, work.inferences) for key, work in works.items()}
        try:
            windows = take_windows(batches, choice.meter, dense=dense, plan=plan)
        except MeterError as error:
            if choice.required:
                raise
            choice = replace(choice, meter=None, reason=f"modelled, since the meter failed: {error}")
        else:
            metered = {key: _metered(key, windows, work, choice, plan.window_s) for key, work in works.items()}
            return compared(metered, dense=dense)
    return compared(_modelled_all(works, choice, dense), dense=dense)


def _metered(key: Key, windows: Windows[Key], work: Work, choice: MeterChoice, window_s: float) -> Measurement:
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


def _modelled_all(works: Mapping[Key, Work], choice: MeterChoice, dense: Key) -> dict[Key, Measurement]:
    """Return the modelled energy of every work; sample i of all of them is of the same constants and dense seconds.

    Seconds are the dense model's, times a work's ratio to it: what disturbed the rounds of one disturbs no other.
    """
    measured = works[dense].latency
    model = model_of(choice.device, threads=int(str(measured.conditions.get("threads", 1))))
    dense_s = measured.value * np.exp(_deviation(measured) * normal_draws("dense seconds"))
    found = {}
    for index, (key, work) in enumerate(works.items()):
        ratio, apart = (1.0, 0.0) if key == dense else _time_ratio(work, measured)
        drawn = dense_s * ratio * np.exp(apart * normal_draws(f"ratio {index}"))
        found[key] = _modelled(work, measured.value * ratio, drawn, model, choice)
    return found


def _modelled(work: Work, seconds: float, drawn: Floats, model: EnergyModel, choice: MeterChoice) -> Measurement:
    samples = model.draws(work.computed, drawn) / work.inferences
    value = model.joules(work.computed, seconds) / work.inferences
    return Measurement(
        quantity="energy",
        value=value,
        unit="J",
        source=Source.MODELLED,
        n=work.latency.n,
        interval=drawn_interval(value, samples),
        conditions={
            **_request(work),
            "scope": choice.scope,
            "reason": choice.reason,
            DRAWS: len(samples),
            **model.conditions(work.computed),
        },
        samples=tuple(samples.tolist()),
    )


def _time_ratio(work: Work, dense: Measurement) -> tuple[float, float]:
    """Return a work's seconds over the dense model's, and the deviation of its logarithm."""
    ratio = work.ratio
    if ratio is None:
        ratio = compared({True: dense, False: work.latency}, dense=True)[False].ratio
    return ratio.value, _deviation(ratio)


def _deviation(measured: Measurement) -> float:
    """Return the standard deviation of the logarithm of a measured value, 0 where it has no interval."""
    interval = measured.interval
    return 0.0 if interval is None else half_width(interval) / float(ndtri((1 + interval.level) / 2))


def _request(work: Work) -> dict[str, JsonScalar | list[JsonScalar]]:
    """Return the conditions of the latency that are about the request, not about its rounds."""
    return {key: value for key, value in work.latency.conditions.items() if key not in (*LATENCY_ONLY, COPIES)}
