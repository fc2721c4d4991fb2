"""What a batch of inferences costs: time and energy of several models and the one they come from, in common rounds."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np
from torch import Tensor, nn

from objectives.device import device_of
from objectives.energy.choose import choose_meter
from objectives.energy.computed import Computed, Traffic
from objectives.energy.measure import Work, measure_energy
from objectives.energy.traffic import count_traffic
from objectives.energy.windows import WindowPlan
from objectives.guard import measuring
from objectives.latency import forward_pass, timed_sessions
from objectives.measurement import JsonScalar, Measurement
from objectives.repeats import Compared, compared
from optimizer.costs.request import Request

Key = TypeVar("Key", bound=Hashable)
Moved = Callable[[Mapping[str, Tensor]], float]  # inputs of a pass -> bytes that it moves


class Costs(NamedTuple):
    """Time of one pass in seconds, energy of one inference in joules, each with its ratio to the unpruned model's.

    `to_torch` has the time's ratio to the unpruned model in torch, where something else runs the models.
    """

    latency: Compared
    energy: Compared
    to_torch: Compared | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """A model as it is measured: called with the inputs by name. `flops` are those of one inference.

    `traffic` counts the bytes of a pass where torch's operators do not show them; `built` is the module that shows them
    where compiled code or a captured graph runs.
    """

    model: nn.Module
    flops: float
    traffic: Moved | None = None
    built: nn.Module | None = None

    def work(self, inputs: Mapping[str, Tensor], batch: int, latency: Measurement) -> Work:
        """Return one pass as energy sees it."""
        run = forward_pass(self.model, inputs)
        seen = run if self.built is None else forward_pass(self.built, inputs)
        moved = count_traffic(seen) if self.traffic is None else Traffic.once(self.traffic(inputs))
        return Work(run=run, inferences=batch, latency=latency, computed=Computed.of(batch * self.flops, moved))


@dataclass(frozen=True)
class Bench:
    """How models are measured: their inputs by batch size, and seconds for the rounds of a batch size.

    `inferences` replace the seconds: at least so many passes of every model. `comparisons` are the ratios among which a
    gain is to show, of other batch sizes and models as well: as many rounds are taken, however slow they are.
    """

    request: Request
    seconds: float
    rng: np.random.Generator
    threads: int | None = None
    conditions: Mapping[str, JsonScalar] = field(default_factory=dict)
    inferences: int | None = None
    comparisons: int = 1

    def measure(
        self, models: Mapping[Key, Measured], *, dense: Key, batch: int, reference: Key | None = None
    ) -> dict[Key, Costs]:
        """Return what a batch costs every model; `models[dense]` runs in all rounds, and ratios are to it.

        `reference` is the same model in torch where something else runs `dense`; it runs in all rounds as well.
        """
        found: dict[Key, Costs] = {}
        sessions = timed_sessions(
            {key: each.model for key, each in models.items()},
            self.request,
            dense=[dense] if reference is None else [dense, reference],
            batch=batch,
            rng=self.rng,
            seconds=self.seconds,
            threads=self.threads,
            shape=self.conditions,
            inferences=self.inferences,
            comparisons=self.comparisons,
        )
        for latencies in sessions:  # the dense model's figures are those of the first
            found = {**self._with_energy(models, latencies, dense=dense, batch=batch, reference=reference), **found}
        return {key: found[key] for key in models}

    def _with_energy(
        self,
        models: Mapping[Key, Measured],
        latencies: Mapping[Key, Measurement],
        *,
        dense: Key,
        batch: int,
        reference: Key | None,
    ) -> dict[Key, Costs]:
        device = device_of(models[dense].model)
        with measuring(*(models[key].model for key in latencies), threads=self.threads):
            inputs = {name: tensor.to(device) for name, tensor in self.request(batch).items()}
            works = {key: models[key].work(inputs, batch, latency) for key, latency in latencies.items()}
            energies = measure_energy(works, choose_meter(device), dense=dense, plan=WindowPlan(rng=self.rng))
        times = compared(latencies, dense=dense)
        to_torch = {} if reference is None else compared(latencies, dense=reference)
        return {key: Costs(times[key], energies[key], to_torch.get(key)) for key in latencies}
