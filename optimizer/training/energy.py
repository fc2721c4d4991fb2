"""Energy of training: read from a counter where there is one, else modelled from the work of one step."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from objectives.device import synchronise
from objectives.energy.choose import MeterChoice, choose_meter
from objectives.energy.computed import Computed
from objectives.energy.modelled import model_of
from objectives.energy.traffic import count_computed
from objectives.measurement import JsonScalar, Measurement
from objectives.memory import peak_memory_bytes
from optimizer.tasks.task import Batch
from optimizer.training.learner import Learner, Loss

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Metered(Generic[Result]):
    """What some work returned, how long it took, and its energy."""

    result: Result
    seconds: float
    energy: Measurement


def adam(model: nn.Module, learning_rate: float = 1e-3) -> torch.optim.Adam:
    """Return the optimizer of networks of images."""
    return torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)


def count_step(model: nn.Module, loss: Loss, batch: Batch) -> Computed:
    """Count one step of Adam on a copy of the model, forward and backward; masked weights compute like others."""
    learner, _ = _copied(model, loss)
    return count_computed(lambda: learner.step(batch))


def training_memory_bytes(model: nn.Module, loss: Loss, batch: Batch) -> int:
    """Return the peak of one training step on a copy: weights, gradients, activations, and Adam's memory."""
    learner, optimizer = _copied(model, loss)
    peak = peak_memory_bytes(lambda: learner.step(batch), learner.model)
    remembered = [value for state in optimizer.state.values() for value in state.values()]
    return peak + sum(int(value.nbytes) for value in remembered if isinstance(value, Tensor))


def metered(
    work: Callable[[], Result], *, device: torch.device, steps: int, cost: Callable[[], Computed]
) -> Metered[Result]:
    """Run `work` of so many `steps`; `cost` of one of them is asked only where nothing can be read."""
    choice = choose_meter(device)
    if choice.meter is not None:
        choice.meter.start()
    began = time.perf_counter()
    try:
        result = work()
        synchronise(device)
    finally:
        seconds = time.perf_counter() - began
        joules = choice.meter.stop() if choice.meter is not None else 0.0
    if choice.meter is None:
        return Metered(result, seconds, _modelled(choice, seconds, steps, cost()))
    return Metered(result, seconds, _measurement(joules, choice, {}))


def _copied(model: nn.Module, loss: Loss) -> tuple[Learner, torch.optim.Optimizer]:
    trained = copy.deepcopy(model).train()
    optimizer = adam(trained)
    return Learner(trained, loss=loss, optimizer=optimizer), optimizer


def _modelled(choice: MeterChoice, seconds: float, steps: int, cost: Computed) -> Measurement:
    threads, computed = torch.get_num_threads(), cost.times(steps)
    model = model_of(choice.device, threads=threads)
    conditions = {"threads": threads, **model.conditions(computed)}
    return _measurement(model.joules(computed, seconds), choice, conditions)


def _measurement(joules: float, choice: MeterChoice, conditions: dict[str, JsonScalar]) -> Measurement:
    said: dict[str, JsonScalar] = {"scope": choice.scope, "reason": choice.reason, **conditions}
    return Measurement(quantity="energy", value=joules, unit="J", source=choice.source, conditions=said)
