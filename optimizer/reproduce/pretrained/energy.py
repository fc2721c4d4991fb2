"""Energy of training by part: GPU, CPU and memory, each read from its counter where there is one, else modelled.

The counters know no memory beside the CPU's, so that part is always modelled; on a GPU it is what the batches move. The
overhead of a data centre is in none of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import torch
from pydantic import BaseModel, ConfigDict

from objectives.device import synchronise
from objectives.energy.choose import MeterChoice, choose_meter
from objectives.energy.computed import Computed, Traffic
from objectives.energy.modelled import model_of
from objectives.measurement import Source

Result = TypeVar("Result")
FEEDING = 1  # threads of the CPU at work while a GPU trains


class Part(BaseModel):
    """Joules, and how they were obtained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    joules: float
    source: str


class Energy(BaseModel):
    """The joules of the parts of a machine; `gpu` is None where the CPU trains."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gpu: Part | None
    cpu: Part
    ram: Part

    @property
    def total(self) -> float:
        """All parts together."""
        return sum(part.joules for part in (self.gpu, self.cpu, self.ram) if part is not None)

    @property
    def source(self) -> str:
        """How it was obtained, in words: each part where they differ."""
        parts = {"GPU": self.gpu, "CPU": self.cpu, "memory": self.ram}
        of_parts = {name: part.source for name, part in parts.items() if part is not None}
        if len({*of_parts.values()}) == 1:
            return self.cpu.source
        return ", ".join(f"{name} {source}" for name, source in of_parts.items())


def metered_by_part(
    work: Callable[[], Result], *, device: torch.device, steps: int, cost: Callable[[], Computed], batch_bytes: int
) -> tuple[Result, float, Energy]:
    """Run `work` of so many training steps and return its result, its seconds and its energy.

    `cost` is that of one step, `batch_bytes` what one step copies to a GPU.
    """
    kinds = ("cpu", "cuda") if device.type == "cuda" else ("cpu",)
    choices = {kind: choose_meter(torch.device(kind)) for kind in kinds}
    for choice in choices.values():
        _start(choice)
    began = time.perf_counter()
    try:
        result = work()
        synchronise(device)
    finally:
        seconds = time.perf_counter() - began
        counted = {kind: _stop(choice) for kind, choice in choices.items()}
    computed = cost().times(steps)
    if device.type != "cuda":
        cpu, ram = model_of(device, threads=torch.get_num_threads()).parts(computed, seconds)
        return result, seconds, Energy(gpu=None, cpu=_part(counted["cpu"], cpu), ram=_part(None, ram))
    gpu = model_of(device).joules(computed, seconds)
    feeding = Computed({}, Traffic.once(steps * batch_bytes))
    cpu, ram = model_of(torch.device("cpu"), threads=FEEDING).parts(feeding, seconds)
    parts = Energy(gpu=_part(counted["cuda"], gpu), cpu=_part(counted["cpu"], cpu), ram=_part(None, ram))
    return result, seconds, parts


def _start(choice: MeterChoice) -> None:
    if choice.meter is not None:
        choice.meter.start()


def _stop(choice: MeterChoice) -> Part | None:
    """Return what a counter has counted, None where there is none."""
    return None if choice.meter is None else Part(joules=choice.meter.stop(), source=choice.source)


def _part(counted: Part | None, modelled: float) -> Part:
    return counted if counted is not None else Part(joules=modelled, source=Source.MODELLED)
