"""Proposed memory: the peak of a request, predicted from the config; real values are measured on the shortlist.

It is the bytes of the weights as the backend holds them, and what else the dense model was found to take, in the
proportion of what the widest layer reads and writes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from objectives.device import device_fingerprint
from objectives.latency import run_conditions
from optimizer.backends.names import GRAPHS, PROPOSES, TORCH
from optimizer.backends.running import Backends
from optimizer.costs.costs import Cost
from optimizer.errors import InputError
from optimizer.latency.kept import kept_table
from optimizer.latency.proposed import threads_of
from optimizer.measuring.memory import peak_memory
from optimizer.pipeline import Pipeline
from optimizer.preparation.proposing import computed_of
from optimizer.spec import StudySpec
from search_spaces.allocation import FloatArray
from search_spaces.config import Config
from search_spaces.groups import Group, dense_config

MEMORY = "memory"
HELD_IN_GRAPHS = (8, 4)  # bits of the weights that ONNX Runtime holds as codes; of 16 it makes floats as it begins


class MemoryTable(BaseModel):
    """The peak memory in bytes of the `dense` model."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dense: float


@dataclass(frozen=True)
class PeakMemory:
    """The peak memory in bytes of a request; a `Cost`. `widest` counts what the widest layer reads and writes."""

    groups: Sequence[Group]
    weights: Cost
    widest: Callable[[Config], float]
    measured: float  # of the dense model

    @property
    def dense(self) -> float:
        """The bytes of the dense model, those of its weights at least."""
        return max(self.measured, self.weights.dense)

    @cached_property
    def _each(self) -> float:
        """The bytes beside the weights, for each of these numbers."""
        return (self.dense - self.weights.dense) / self.widest(dense_config(self.groups))

    def total(self, config: Config) -> float:
        """Return the bytes of the model that `config` describes."""
        return self.weights.total(config) + self._each * self.widest(config)

    def ratio(self, config: Config) -> float:
        """Return the bytes as a ratio to the dense model's."""
        return self.total(config) / self.dense

    def of_levels(self, group: Group) -> FloatArray:
        """Return the bytes at each of the group's levels, all other groups dense: `(levels,)`."""
        dense = dense_config(self.groups)
        return np.array([self.total(dense.replaced({group.name: level})) for level in group.levels])


def proposed_memory(spec: StudySpec, pipeline: Pipeline, backends: Backends, cache_dir: Path) -> PeakMemory:
    """Return the memory in the backend other than torch where one is named, else in torch.

    Raises `InputError` where the system does not tell what a process takes.
    """
    runs = {name: model for name, model in backends.dense_runs().items() if name in PROPOSES}
    backend, model = next(iter(runs.items()), (TORCH, pipeline.dense.model))
    batch, threads = spec.batch_sizes[0], threads_of(spec)
    holds_for = {
        "quantity": MEMORY,
        "device": device_fingerprint(pipeline.workload.device),
        "backend": run_conditions(model),
        "graphs": GRAPHS,
        "network": str(pipeline.dense.model),
        "request": [*pipeline.workload.family.conditions().items()],
        "batch": batch,
        "threads": threads,
    }
    build = partial(_measured, model, pipeline.workload.family.request()(batch), threads)
    table = kept_table(MemoryTable, holds_for, cache_dir, build)
    weights = pipeline.weights(() if backend == TORCH else HELD_IN_GRAPHS)
    return PeakMemory(pipeline.groups, weights, computed_of(pipeline, batch).widest, table.dense)


def _measured(model: nn.Module, request: dict[str, Tensor], threads: int) -> MemoryTable:
    found = peak_memory({MEMORY: model}, request, threads=threads, conditions={})
    if not found:
        raise InputError("backends", "this system does not tell the memory of a process; use torch, or another cost")
    return MemoryTable(dense=found[MEMORY].value)
