"""A measurement: a value that says its unit, its source, its conditions and how sure it is. No torch here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

JsonScalar = str | int | float | bool | None
Conditions = Mapping[str, JsonScalar | list[JsonScalar]]


class Source(StrEnum):
    """How a value was obtained."""

    MEASURED = "measured"  # timed or evaluated on the extracted model
    COUNTED = "counted"  # exact, from shapes, bytes or allocator events
    TABLE = "table"  # summed from a table of isolated blocks: proposes, never concludes
    MODELLED = "modelled"  # from a model of the device with named constants
    NVML = "nvml-counter"  # the GPU's total-energy counter
    NVML_POWER = "nvml-power"  # the GPU's power, sampled and summed up
    RAPL = "rapl"  # the energy counters of CPU packages, and of their memory where there are some
    ZEUS = "zeus"  # what the package zeus reads: AMD, Apple, Jetson, or RAPL through its daemon


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A two-sided confidence interval, in the unit of its measurement."""

    lower: float
    upper: float
    level: float = 0.95

    def __post_init__(self) -> None:
        if not self.lower <= self.upper:
            raise ValueError(f"`lower <= upper` must hold, but got ({self.lower=}, {self.upper=})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One quantity of one model.

    `quantity` is one of the project's words (accuracy, drop, flops, latency, latency_ratio, energy, energy_ratio,
    parameters, size, memory, divergence, …); `n` counts the examples or repeats behind the value; `samples` keeps raw
    repeats in the same unit.
    """

    quantity: str
    value: float
    unit: str
    source: Source
    n: int = 1
    interval: Interval | None = None
    conditions: Conditions = field(default_factory=dict)
    samples: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"{self.quantity} must be finite, got {self.value!r}")
