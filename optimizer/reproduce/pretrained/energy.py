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
from objectives.energy.modelled import modelled_energy
from objectives.measurement import Source
from optimizer.training.energy import StepCost

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
    work: Callable[[], Result], *, device: torch.device, steps: int, cost: Callable[[], StepCost], batch_bytes: int
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
    of_step = cost()
    if device.type != "cuda":
        threads = torch.get_num_threads()
        cpu = _part(counted["cpu"], "cpu", steps * of_step.flops, 0.0, seconds, threads)
        return result, seconds, Energy(gpu=None, cpu=cpu, ram=_memory(steps * of_step.bytes_moved))
    gpu = _part(counted["cuda"], "cuda", steps * of_step.flops, steps * of_step.bytes_moved, seconds, FEEDING)
    cpu = _part(counted["cpu"], "cpu", 0.0, 0.0, seconds, FEEDING)
    return result, seconds, Energy(gpu=gpu, cpu=cpu, ram=_memory(steps * batch_bytes))


def _start(choice: MeterChoice) -> None:
    if choice.meter is not None:
        choice.meter.start()


def _stop(choice: MeterChoice) -> Part | None:
    """Return what a counter has counted, None where there is none."""
    return None if choice.meter is None else Part(joules=choice.meter.stop(), source=choice.source)


def _part(counted: Part | None, kind: str, flops: float, moved: float, seconds: float, threads: int) -> Part:
    if counted is not None:
        return counted
    joules = modelled_energy(flops=flops, bytes_moved=moved, seconds=seconds, device_kind=kind, threads=threads)
    return Part(joules=joules, source=Source.MODELLED)


def _memory(moved: float) -> Part:
    return _part(None, "cpu", 0.0, moved, 0.0, FEEDING)
