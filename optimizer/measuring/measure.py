"""Measure the real costs of the shortlist: every extracted model and the dense model, timed in the same rounds.

Latency at every batch size and length in every backend, energy per inference at the first batch size (modelled: at
every one), peak memory of one pass, size on disk. Energy and memory are those of a model in its fastest backend; energy
compares with the dense model in torch, and memory is that of torch where compiled code and graphs do not show it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import NamedTuple

import numpy as np
from torch import nn

from objectives.device import device_of
from objectives.energy.choose import choose_meter
from objectives.energy.measure import Work, measure_energy
from objectives.energy.traffic import count_traffic
from objectives.energy.windows import WindowPlan
from objectives.guard import measuring
from objectives.latency import forward_pass
from objectives.measurement import JsonScalar, Measurement
from objectives.size import measure_size
from optimizer.backends.names import FASTEST, OF_TORCH, TO_TORCH, TORCH
from optimizer.costs.request import Request
from optimizer.families.family import Family
from optimizer.measuring.computed import Telling, computed_of
from optimizer.measuring.gains import with_gains
from optimizer.measuring.memory import peak_memory
from optimizer.measuring.timing import DENSE, LATENCY_RATIO, REFERENCE, Rounds, Run, Runs, fastest_backends, time_runs
from optimizer.spec import StudySpec
from search_spaces.layouts.requests import Inputs

ENERGY_RATIO = "energy_ratio"  # the quantity of a ratio to the dense model in torch
Measurements = dict[Hashable, tuple[Measurement, ...]]


class Shape(NamedTuple):
    """Requests of one shape, and what is said of it beside the batch."""

    request: Request
    conditions: Mapping[str, JsonScalar]


@dataclass(frozen=True)
class Asked:
    """The requests on which models are measured: one shape, and what follows from it.

    `built` are the models as torch modules where something else runs them, or graphs that tell what they compute. At
    the `further` shapes latency alone is measured.
    """

    request: Request
    flops: Callable[[nn.Module], float]  # of one inference
    conditions: Mapping[str, JsonScalar]  # beside the batch
    sizes: Callable[[nn.Module], tuple[Measurement, ...]] = measure_size
    built: Mapping[Hashable, nn.Module] = field(default_factory=dict)
    further: Sequence[Shape] = ()

    @property
    def shapes(self) -> list[Shape]:
        """All shapes, the first one first."""
        return [Shape(self.request, self.conditions), *self.further]


def measure_models(
    runs: Runs,
    asked: Asked,
    *,
    batch_sizes: Sequence[int],
    threads: int | None,
    seed: int,
    latency_s: float,
    progress: Callable[[int, int], None],
    metered: bool = False,
) -> Measurements:
    """Return the measured costs of every model; the runs of `DENSE`, one of them in torch, are what ratios are to.

    `latency_s` is the number of seconds of timing per batch size and shape, over all runs. Where a model has several
    backends, the condition `FASTEST` of its latencies says which of them is the fastest at the first batch size. Energy
    that has to be `metered` is never modelled: a meter that is missing or fails is a `MeterError`.
    """
    rng = np.random.default_rng(seed)
    places = [*product(asked.shapes, batch_sizes)]
    rounds = Rounds(asked.request, asked.conditions, threads, rng, latency_s, _comparisons(runs, places))
    taken: dict[Hashable, list[Measurement]] = {run.model: [] for run in runs}
    steps = len(places) + 2
    progress(0, steps)
    fastest = fastest_backends(runs, batch_sizes[0], rounds)
    for done, (shape, batch) in enumerate(places):
        progress(done, steps)
        here = replace(rounds, request=shape.request, conditions=shape.conditions)
        for run, measured in time_runs(runs, batch, here).items():
            taken[run.model].extend(_marked(measured, run, fastest))
    taken = with_gains(taken, dense=DENSE, of=lambda each: each.quantity in (LATENCY_RATIO, TO_TORCH))
    chosen = {run.model: run for run in runs if fastest.get(run.model, run.backend) == run.backend} | {DENSE: REFERENCE}
    progress(steps - 2, steps)
    _add_energy(taken, chosen, runs, asked, batch_sizes, threads=threads, rng=rng, metered=metered)
    taken = with_gains(taken, dense=DENSE, of=lambda each: each.quantity == ENERGY_RATIO)
    progress(steps - 1, steps)
    _add_sizes(taken, chosen, runs, asked, batch_sizes[0], threads=threads)
    progress(steps, steps)
    return {model: tuple(measurements) for model, measurements in taken.items()}


def measure_in_study(
    runs: Runs,
    spec: StudySpec,
    family: Family,
    *,
    built: Mapping[Hashable, nn.Module],
    sizes: Callable[[nn.Module], tuple[Measurement, ...]],
    progress: Callable[[int, int], None],
) -> Measurements:
    """Return the measured costs of every model on a study's requests; `built` and `sizes` are as in `Asked`."""
    asked = Asked(
        family.request(),
        family.request_flops,
        family.conditions(),
        sizes=sizes,
        built=built,
        further=further_shapes(family, spec),
    )
    return measure_models(
        runs,
        asked,
        batch_sizes=spec.batch_sizes,
        threads=spec.threads,
        seed=spec.seed,
        latency_s=spec.measure_seconds,
        progress=progress,
        metered=spec.require_measured_energy,
    )


def further_shapes(family: Family, spec: StudySpec) -> list[Shape]:
    """Return the further lengths of a study's requests but for the one that is timed anyway."""
    own = family.requests.length
    found = [family.requests.at(length) for length in spec.further_lengths if length != own]
    return [Shape(requests.request(), requests.conditions()) for requests in found]


def _comparisons(runs: Runs, places: Sequence[object]) -> int:
    """Return the number of ratios of latency: one to the same backend's dense model, and one to torch's elsewhere."""
    return len(places) * sum(1 + (run.backend != TORCH) for run in runs if run.model != DENSE)


def noise_in(taken: Mapping[Hashable, Sequence[Measurement]]) -> list[str]:
    """Return what disturbed the timing of models, in words, per batch size."""
    noises = {
        each.conditions["batch"]: f"{each.conditions['noise']}; by {each.conditions['clock']}"
        for measured in taken.values()
        for each in measured
        if each.quantity == "latency" and "noise" in each.conditions
    }
    return [
        f"latency at batch size {batch} was timed on a noisy machine ({words}); the intervals contain what it adds"
        for batch, words in noises.items()
    ]


def _marked(measured: Sequence[Measurement], run: Run, fastest: Mapping[Hashable, str]) -> Sequence[Measurement]:
    if run.model not in fastest:
        return measured
    mark = {FASTEST: run.backend == fastest[run.model]}
    return [replace(each, conditions={**each.conditions, **mark}) for each in measured]


def _add_energy(
    taken: Mapping[Hashable, list[Measurement]],
    chosen: Mapping[Hashable, Run],
    runs: Runs,
    asked: Asked,
    batch_sizes: Sequence[int],
    *,
    threads: int | None,
    rng: np.random.Generator,
    metered: bool,
) -> None:
    """Add energies at the first batch size; what is modelled costs no time, so at every one, the first one last.

    The last measurement of a quantity is the one that is filtered and steers.
    """
    choice = choose_meter(device_of(runs[REFERENCE]), required=metered)
    for batch in reversed(batch_sizes if choice.meter is None else batch_sizes[:1]):
        with measuring(*runs.values(), *asked.built.values(), threads=threads):
            inputs = asked.request(batch)
            works = {key: _work(run, taken[key], inputs, batch, runs, asked) for key, run in chosen.items()}
            for key, compared in measure_energy(works, choice, dense=DENSE, plan=WindowPlan(rng=rng)).items():
                taken[key].extend(compared)


def _work(run: Run, measured: Sequence[Measurement], inputs: Inputs, batch: int, runs: Runs, asked: Asked) -> Work:
    built = runs[run] if run.backend == TORCH else asked.built[run.model]
    if isinstance(built, Telling):
        computed = built.computed(inputs)
    else:
        moved = count_traffic(forward_pass(built, inputs))
        computed = computed_of(built, batch * asked.flops(built), moved, backend=run.backend)
    return Work(
        run=forward_pass(runs[run], inputs),
        inferences=batch,
        latency=_latency_of(run, measured, batch, "latency"),
        computed=computed,
        ratio=_latency_of(run, measured, batch, LATENCY_RATIO if run.backend == TORCH else TO_TORCH),
    )


def _latency_of(run: Run, measurements: Sequence[Measurement], batch: int, quantity: str) -> Measurement:
    return next(
        m
        for m in measurements
        if m.quantity == quantity
        and m.conditions["batch"] == batch
        and m.conditions.get("backend", TORCH) == run.backend
    )


def _add_sizes(
    taken: Mapping[Hashable, list[Measurement]],
    chosen: Mapping[Hashable, Run],
    runs: Runs,
    asked: Asked,
    batch: int,
    *,
    threads: int | None,
) -> None:
    """Add sizes, and the memory of all models in the backends chosen for them, of the dense one in each.

    That of compiled code and of captured graphs is torch's.
    """
    for key, run in chosen.items():
        taken[key].extend(asked.sizes(asked.built.get(key, runs[run])))
    held = [Run(key, TORCH if run.backend in OF_TORCH else run.backend) for key, run in chosen.items()]
    held = list(dict.fromkeys([*held, *(Run(DENSE, run.backend) for run in held)]))
    models = {run: runs[run] if run in runs else asked.built[run.model] for run in held}
    conditions = {"batch": batch, **asked.conditions}
    found = peak_memory(models, asked.request(batch), threads=threads, conditions=conditions)
    for run, memory in found.items():
        taken[run.model].append(memory)
