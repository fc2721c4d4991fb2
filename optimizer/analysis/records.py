"""What an analysis keeps: of every model at every batch size its costs beside those of the unpruned one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from objectives.measurement import Measurement
from objectives.repeats import is_gain
from optimizer.analysis.costs import Costs
from optimizer.analysis.facts import Facts
from optimizer.backends.names import TORCH
from optimizer.ledger import Keyed
from optimizer.measuring.ratios import Ratio
from optimizer.views.latencies import RUNTIMES


class Counts(BaseModel):
    """What is counted of a model. `flops` are those of one inference, two per multiply-accumulate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flops: float
    parameters: int


class MeasureKey(BaseModel):
    """All that a measurement depends on. `stamp` and `parent_stamp` change when the files of a model do.

    `described` is what the user said of inputs, `backend` what was asked to run the model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    place: str
    stamp: str
    parent: str
    parent_stamp: str
    batch: int
    described: str
    device: str
    threads: int
    seconds: float
    inferences: int | None
    backend: str = TORCH


class Measure(Keyed):
    """A model at a batch size: seconds of a pass and joules of an inference, and both relative to the unpruned model's.

    `gain_…` say of a ratio that it is below 1 with 95 % confidence in this and all other comparisons of the analysis.
    Percentiles are those that so many passes can tell. Of the unpruned model itself ratios are 1. `length` is that of a
    text in tokens, None for inputs without tokens. `time_torch` is relative to the unpruned model in torch, of a model
    that something else was asked to run.
    """

    key: MeasureKey
    source: str
    facts: Facts
    counts: Counts
    parent_counts: Counts
    metric: Mapping[str, float]
    seconds: Ratio  # the median with its interval
    time: Ratio
    gain_time: bool
    percentiles: Mapping[str, float]
    energy_j: Ratio
    energy: Ratio
    gain_energy: bool
    energy_source: str
    energy_scope: str
    rounds: int
    passes: int
    clock: str
    noise: str
    device_name: str
    dtype: str
    backend: str
    length: int | None = None
    time_torch: Ratio | None = None
    gain_time_torch: bool | None = None

    @property
    def size(self) -> str:
        """The batch size, the length of its texts, and what runs the model, in words."""
        run_by = "" if self.key.backend == TORCH else f", {RUNTIMES[self.key.backend]}"
        return at_size(self.key.batch, self.length) + run_by

    @property
    def is_unpruned(self) -> bool:
        """Whether it is of the unpruned model."""
        return self.key.model == self.key.parent

    @property
    def fps(self) -> float:
        """Inferences per second."""
        return self.key.batch / self.seconds.value


def at_size(batch: int, length: int | None) -> str:
    """Return a batch size, and the length of its texts, in words."""
    return f"batch {batch}" + ("" if length is None else f", {length} tokens")


def figures_of(costs: Costs, *, comparisons: int) -> dict[str, Any]:  # Any: fields of several kinds
    """Return the fields of a measure that follow from measured costs."""
    latency, energy = costs.latency.absolute, costs.energy.absolute
    told, to_torch = latency.conditions, costs.to_torch
    return {
        "time_torch": None if to_torch is None else Ratio.of(to_torch.ratio),
        "gain_time_torch": None if to_torch is None else is_gain(to_torch.ratio, comparisons=comparisons),
        "seconds": Ratio.of(latency),
        "time": Ratio.of(costs.latency.ratio),
        "gain_time": is_gain(costs.latency.ratio, comparisons=comparisons),
        "percentiles": {name: told[name] for name in ("p50", "p95", "p99") if name in told},
        "energy_j": Ratio.of(energy),
        "energy": Ratio.of(costs.energy.ratio),
        "gain_energy": is_gain(costs.energy.ratio, comparisons=comparisons),
        "energy_source": str(energy.source),
        "energy_scope": _word(energy, "scope"),
        "rounds": latency.n,
        "passes": told.get("passes", latency.n),
        "clock": _word(latency, "clock"),
        "noise": _word(latency, "noise"),
        "device_name": _word(latency, "device_name"),
        "dtype": _word(latency, "dtype"),
        "backend": _word(latency, "backend") or "torch",
    }


def _word(measurement: Measurement, name: str) -> str:
    return str(measurement.conditions.get(name, ""))
