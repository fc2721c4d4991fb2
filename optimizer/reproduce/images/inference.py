"""Time and energy of inference: the pruned network beside a dense one, and what exact removal and sparse rows add."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from torch import Tensor, nn

from objectives.device import cpu_threads, describe_device
from objectives.energy.choose import choose_meter
from objectives.energy.measure import Work, measure_energy
from objectives.energy.traffic import count_computed
from objectives.energy.windows import WindowPlan
from objectives.guard import measuring
from objectives.latency import interleaved_latency, latency_of, waited_for
from objectives.measurement import Measurement
from objectives.repeats import compared
from search_spaces.transforms.masks.csr import SPARSE_ENOUGH, with_sparse_kernels
from search_spaces.transforms.masks.dead import remove_dead_neurons

DENSE, PRUNED, REMOVED, ROWS = "dense", "pruned", "without dead neurons", "compressed rows"
TURN_S = 0.002  # of one turn at least: the first pass after another network's is slower, and tiny networks show it


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """What inference costs. Seconds are of a batch; ratios are to the dense network of the same rounds."""

    batch_s: float
    energy: Measurement
    energy_ratio: float
    ratios: Mapping[str, float]
    removed_neurons: int


def measure_inference(model: nn.Module, dense: nn.Module, images: Tensor, *, seed: int, seconds: float) -> Inference:
    """Measure `model` beside `dense`, a network of the same shape, on one batch of `images`; energy is per image.

    `seed` draws the orders of the rounds, `seconds` bound their time and are the length of a window of a counter.
    """
    variants, removed = _variants(model, dense)
    rng = np.random.default_rng(seed)
    with measuring(*variants.values()):
        runs = {name: waited_for(partial(variant, images), images.device) for name, variant in variants.items()}
        passes = _passes(runs[DENSE])
        turns = {name: partial(_repeat, run, passes) for name, run in runs.items()}
        samples = interleaved_latency(turns, threads=cpu_threads(images.device), rng=rng, seconds=seconds)
        conditions = {"batch": len(images), **describe_device(images.device)}
        latencies = {name: latency_of(values / passes, conditions) for name, values in samples.items()}
        works = {name: _work(runs[name], latencies[name], images) for name in (DENSE, PRUNED)}
        energies = measure_energy(
            works, choose_meter(images.device), dense=DENSE, plan=WindowPlan(rng=rng, window_s=seconds)
        )
    ratios = {name: both.ratio.value for name, both in compared(latencies, dense=DENSE).items()}
    return Inference(
        batch_s=latencies[PRUNED].value,
        energy=energies[PRUNED].absolute,
        energy_ratio=energies[PRUNED].ratio.value,
        ratios=ratios,
        removed_neurons=removed,
    )


def _variants(model: nn.Module, dense: nn.Module) -> tuple[dict[str, nn.Module], int]:
    """Return the networks to time by name, and how many dead neurons were taken out."""
    variants, removed = {DENSE: dense, PRUNED: model}, 0
    if isinstance(model, nn.Sequential):
        removal = remove_dead_neurons(model)
        removed = sum(removal.removed)
        if removed:
            variants[REMOVED] = removal.model
    if any(_sparsity(layer) > SPARSE_ENOUGH for layer in model.modules() if isinstance(layer, nn.Linear)):
        variants[ROWS] = with_sparse_kernels(model, above=SPARSE_ENOUGH)
    return variants, removed


def _sparsity(layer: nn.Linear) -> float:
    return float((layer.weight == 0).float().mean())


def _passes(run: Callable[[], None]) -> int:
    """Return how many passes fill a turn."""
    _repeat(run, 3)
    began = time.perf_counter()
    _repeat(run, 3)
    return max(1, math.ceil(3 * TURN_S / (time.perf_counter() - began)))


def _repeat(run: Callable[[], None], passes: int) -> None:
    for _ in range(passes):
        run()


def _work(run: Callable[[], None], latency: Measurement, images: Tensor) -> Work:
    return Work(run=run, inferences=len(images), latency=latency, computed=count_computed(run))
