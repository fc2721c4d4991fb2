"""The time and the energy of one training step, in the same rounds as a step of the dense network.

On the CPU it is processor time, which other processes on a busy machine do not lengthen; a GPU is waited for.
"""

from __future__ import annotations

import copy
import time
from functools import partial

import numpy as np
from torch import nn

from objectives.clocks import SYSTEM
from objectives.device import describe_device, device_of
from objectives.energy.choose import choose_meter
from objectives.energy.measure import Work, measure_energy
from objectives.energy.windows import WindowPlan
from objectives.latency import interleaved_latency, latency_of, waited_for
from objectives.repeats import compared
from optimizer.measuring.ratios import Ratio
from optimizer.reproduce.pretrained.form import Form
from optimizer.reproduce.pretrained.records import PretrainedKey, StepRecord
from optimizer.reproduce.pretrained.retrain import Training, step_cost
from optimizer.tasks.task import Batch

DENSE, OURS = "dense", "ours"
FEW = 2  # images of a step whose kernels are missing: it takes a second or more


def measure_step(
    dense: nn.Module, model: nn.Module, form: Form, key: PretrainedKey, batch: Batch, *, seconds: float
) -> StepRecord:
    """Measure steps on copies, whose weights stay as they are, for about so many `seconds`, twelve steps at least."""
    device, rng = device_of(model), np.random.default_rng(key.seed)
    pairs = {DENSE: (dense, Form()), OURS: (model, form)}
    trainings = {name: Training(copy.deepcopy(net).train(), held, key, rate=0.0) for name, (net, held) in pairs.items()}
    runs = {name: waited_for(partial(training.step, batch), device) for name, training in trainings.items()}
    clocks = SYSTEM if device.type == "cuda" else SYSTEM._replace(elapsed=time.process_time)
    samples = interleaved_latency(runs, threads=0, rng=rng, seconds=seconds, clocks=clocks)
    size = len(batch["labels"])
    conditions = {"batch": size, **describe_device(device), "threads": 1}  # processor time is that of all threads
    latencies = {name: latency_of(values, conditions) for name, values in samples.items()}
    works = {}
    for name, (net, held) in pairs.items():
        cost = step_cost(net, held, key, batch)
        works[name] = Work(run=runs[name], inferences=1, latency=latencies[name], computed=cost)
    energies = measure_energy(works, choose_meter(device), dense=DENSE, plan=WindowPlan(rng=rng, window_s=seconds / 6))
    times = compared(latencies, dense=DENSE)
    return StepRecord(
        seconds=latencies[OURS].value,
        batch=size,
        time=Ratio.of(times[OURS].ratio),
        energy=Ratio.of(energies[OURS].ratio),
        energy_source=energies[OURS].absolute.source,
    )
