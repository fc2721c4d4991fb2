"""Measure the real costs of the shortlist: every extracted model and the dense model, timed in the same rounds.

Latency at every batch size, energy per inference at the first batch size, peak memory of one pass, size on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from objectives.device import device_of
from objectives.energy.choose import choose_meter
from objectives.energy.measure import Work, measure_energy
from objectives.energy.traffic import count_traffic
from objectives.guard import measuring
from objectives.latency import forward_pass, measure_latency
from objectives.measurement import JsonScalar, Measurement
from objectives.memory import measure_memory
from objectives.size import measure_size
from optimizer.request import Request

DENSE = "dense"  # the key of the dense model


@dataclass(frozen=True)
class Asked:
    """The requests on which models are measured: one shape, and what follows from it."""

    request: Request
    flops: Callable[[nn.Module], float]  # of one inference
    conditions: Mapping[str, JsonScalar]  # beside the batch
    sizes: Callable[[Hashable, nn.Module], tuple[Measurement, ...]] = lambda _key, model: measure_size(model)


Measurements = dict[Hashable, tuple[Measurement, ...]]


def measure_models(
    models: Mapping[Hashable, nn.Module],
    asked: Asked,
    *,
    batch_sizes: Sequence[int],
    threads: int | None,
    seed: int,
    latency_s: float,
    progress: Callable[[int, int], None],
) -> Measurements:
    """Return the measured costs of every model; `models[DENSE]` is the reference for the ratios.

    `latency_s` is the number of seconds of timing per batch size, over all models.
    """
    rng = np.random.default_rng(seed)
    taken: dict[Hashable, list[Measurement]] = {key: [] for key in models}
    steps = len(batch_sizes) + 2
    for done, batch in enumerate(batch_sizes):
        progress(done, steps)
        timed = measure_latency(
            models,
            asked.request,
            dense=DENSE,
            batch=batch,
            rng=rng,
            seconds=latency_s,
            threads=threads,
            shape=asked.conditions,
        )
        for key, compared in timed.items():
            taken[key].extend(compared)
    progress(steps - 2, steps)
    _add_energy(taken, models, asked, batch_sizes[0], threads=threads, rng=rng)
    progress(steps - 1, steps)
    _add_sizes(taken, models, asked, batch_sizes[0], threads=threads)
    progress(steps, steps)
    return {key: tuple(measurements) for key, measurements in taken.items()}


def _add_energy(
    taken: Mapping[Hashable, list[Measurement]],
    models: Mapping[Hashable, nn.Module],
    asked: Asked,
    batch: int,
    *,
    threads: int | None,
    rng: np.random.Generator,
) -> None:
    inputs = asked.request(batch)
    with measuring(*models.values(), threads=threads):
        works = {}
        for key, model in models.items():
            run = forward_pass(model, inputs)
            latency = next(m for m in taken[key] if m.quantity == "latency" and m.conditions["batch"] == batch)
            works[key] = Work(
                run=run,
                inferences=batch,
                latency=latency,
                flops=batch * asked.flops(model),
                bytes_moved=count_traffic(run),
            )
        choice = choose_meter(device_of(models[DENSE]))
        for key, compared in measure_energy(works, choice, dense=DENSE, rng=rng).items():
            taken[key].extend(compared)


def _add_sizes(
    taken: Mapping[Hashable, list[Measurement]],
    models: Mapping[Hashable, nn.Module],
    asked: Asked,
    batch: int,
    *,
    threads: int | None,
) -> None:
    inputs = asked.request(batch)
    conditions = {"batch": batch, **asked.conditions}
    with measuring(*models.values(), threads=threads):
        for key, model in models.items():
            taken[key].extend(asked.sizes(key, model))
            taken[key].append(measure_memory(forward_pass(model, inputs), model, conditions=conditions))
