"""What a pruned encoder costs beside the dense one: latency on every kind of device that is here, and energy."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from objectives.flops import count_flops
from objectives.measurement import Measurement
from optimizer.families.encoders.family import request_of
from optimizer.measure import DENSE, Asked, measure_models
from optimizer.workload import Workload

PRUNED = "pruned"
BATCH = 1  # "the time required to process an input", step 3


@dataclass(frozen=True, slots=True)
class Costs:
    """Measured costs of the pruned model by quantity; `gpu` is None where there is no CUDA device."""

    cpu: dict[str, Measurement]
    gpu: dict[str, Measurement] | None

    @property
    def energy(self) -> dict[str, Measurement]:
        """The figures of the device whose energy counts, the GPU where there is one, as published."""
        return self.gpu or self.cpu


def measure_costs(
    model: Any,  # Any: one transformers class per family
    workload: Workload,
    *,
    seed: int,
    latency_s: float,
) -> Costs:
    """Measure a model beside the workload's dense one, in the same rounds; both are on the workload's device after.

    `latency_s` bounds the seconds of timing per device.
    """
    measured = partial(_measured, model, workload, seed=seed, latency_s=latency_s)
    try:
        gpu = measured(torch.device("cuda")) if torch.cuda.is_available() else None
        return Costs(cpu=measured(torch.device("cpu")), gpu=gpu)
    finally:
        for moved in (workload.model, model):
            moved.to(workload.device)


def _measured(
    model: Any, workload: Workload, device: torch.device, *, seed: int, latency_s: float
) -> dict[str, Measurement]:
    length, dense = int(str(workload.family.conditions()["sequence_length"])), workload.model
    models: dict[Hashable, Any] = {DENSE: dense.to(device), PRUNED: model.to(device)}
    asked = Asked(
        request=request_of(length, int(dense.config.vocab_size), device),
        flops=lambda network: count_flops(network, [length]),
        conditions={"sequence_length": length},
    )
    taken = measure_models(
        models,
        asked,
        batch_sizes=(BATCH,),
        threads=None,
        seed=seed,
        progress=lambda _done, _total: None,
        latency_s=latency_s,
    )
    return {measurement.quantity: measurement for measurement in taken[PRUNED]}
