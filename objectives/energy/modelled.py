"""Energy where nothing can be read: power between rest and work, arithmetic by precision, bytes by how far they come.

    E = seconds · threads · (idle + awake) + Σ operations · joules(precision) + Σ bytes · joules(level)

The constants are those of a profile (`profiles.py`): published ones, or fitted on this machine where it has a meter
(`calibrated.py`, `fit.py`). Each has a range, so a modelled figure has an interval that says how little is known, and a
ratio of two models one that says how much of that they have in common. It leaves out power supply, cooling and all but
the memory and the processor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import log
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from objectives.caches import data_caches
from objectives.device import device_name, vector_instructions
from objectives.energy.calibrated import calibration_of
from objectives.energy.computed import Computed, Traffic
from objectives.energy.hardware import UNKNOWN_GPU, cpu_power, gpu_power
from objectives.energy.nvml import power_limit_w
from objectives.energy.profiles import FAR, LEVELS, MEMORY, NEAR, Constant, Profile, cpu_profile, gpu_profile
from objectives.measurement import JsonScalar

DRAWS = 200  # of all constants at once, within their ranges
Z95 = 1.959964  # deviations from the middle of a 95 % range to its ends

Floats = NDArray[np.float64]


class Parts(NamedTuple):
    """Joules of the processor (or GPU) and of its memory."""

    processor: Floats
    memory: Floats

    @property
    def total(self) -> Floats:
        """All joules."""
        return self.processor + self.memory


@dataclass(frozen=True)
class EnergyModel:
    """A profile at work on so many threads."""

    profile: Profile
    threads: int = 1

    def joules(self, computed: Computed, seconds: float) -> float:
        """Return the joules of what takes so many seconds, by the most likely constants."""
        return float(self._parts(computed, np.array(seconds), lambda constant, _: np.array(constant.value)).total)

    def parts(self, computed: Computed, seconds: float) -> tuple[float, float]:
        """Return the joules of the processor and those of its memory, by the most likely constants."""
        found = self._parts(computed, np.array(seconds), lambda constant, _: np.array(constant.value))
        return float(found.processor), float(found.memory)

    def draws(self, computed: Computed, seconds: Floats) -> Floats:
        """Return the joules of `(DRAWS,)` seconds, draw i with constants that are the same for everything."""
        return self._parts(computed, seconds, _drawn).total

    def conditions(self, computed: Computed) -> dict[str, JsonScalar]:
        """Return what a figure of this model holds for: its constants, from where they are, and what moved."""
        profile, shares = self.profile, level_shares(computed.traffic, self.profile.sizes)
        return {
            "idle_w": profile.idle_w.value,
            "awake_w": profile.awake_w.value,
            **{f"{precision}_j": profile.flop_j[profile.flop(precision)].value for precision in computed.flops},
            **{f"{level.replace(' ', '_')}_byte_j": profile.byte_j[level].value for level in LEVELS},
            "bytes_moved": computed.traffic.total,
            "bytes_from_memory": shares[MEMORY],
            "constants": profile.source,
        }

    def _parts(self, computed: Computed, seconds: Floats, value: Callable[[Constant, str], Floats]) -> Parts:
        profile = self.profile
        at_work = self.threads if profile.per_thread else 1
        processor = at_work * seconds * (value(profile.idle_w, "idle") + value(profile.awake_w, "awake"))
        for precision, flops in computed.flops.items():
            kind = profile.flop(precision)
            processor = processor + flops * value(profile.flop_j[kind], "flop")
        shares = level_shares(computed.traffic, profile.sizes)
        for level in (NEAR, FAR):
            processor = processor + shares[level] * value(profile.byte_j[level], level)
        memory = shares[MEMORY] * value(profile.byte_j[MEMORY], MEMORY) + np.zeros_like(seconds)
        return Parts(processor, memory)


def level_shares(traffic: Traffic, sizes: tuple[float, float]) -> dict[str, float]:
    """Return the bytes that come from each level, given the bytes of the near and the far cache."""
    found = dict.fromkeys(LEVELS, 0.0)
    for size, moved in ((traffic.footprint, traffic.outside), *traffic.inside.items()):
        near = _fits(size, sizes[0])
        far = (1 - near) * _fits(size, sizes[1])
        for level, share in zip(LEVELS, (near, far, 1 - near - far), strict=True):
            found[level] += share * moved
    return found


def _fits(size: float, room: float) -> float:
    """Return the share of what is read in turn that is still there: all if it fits, none from twice the room on."""
    return min(1.0, max(0.0, 2 - size / room)) if room else 0.0


def published_profile(device: torch.device) -> Profile:
    """Return the published profile of a device on this machine.

    Raises:
        ValueError: an unknown kind of device.
    """
    if device.type == "cuda":
        return _of_board(device)
    if device.type not in ("cpu", "mps"):  # nothing published for mps; it shares package and memory with the CPU
        raise ValueError(f"energy: no model of device {device.type!r}; known are cpu, cuda, mps")
    return _of_processor()


@cache
def _of_board(device: torch.device) -> Profile:
    if not torch.cuda.is_available():
        return gpu_profile(UNKNOWN_GPU)
    return gpu_profile(gpu_power(device_name(device), power_limit_w(device)))


@cache
def _of_processor() -> Profile:
    return cpu_profile(cpu_power(), vector_instructions(), data_caches())


def model_of(device: torch.device, *, threads: int = 1) -> EnergyModel:
    """Return the model of a device at work on so many CPU threads: as calibrated on this machine, else as published.

    Raises:
        ValueError: an unknown kind of device.
        MeterError: a calibration that cannot be read.
    """
    published, calibration = published_profile(device), calibration_of(device)
    return EnergyModel(published if calibration is None else calibration.profile, threads)


def _drawn(constant: Constant, name: str) -> Floats:
    """Return `(DRAWS,)` values of a constant, the same at every call: log-normal within its range."""
    below, above = log(constant.value / constant.lower) / Z95, log(constant.upper / constant.value) / Z95
    normal = normal_draws(name)
    return np.asarray(constant.value * np.exp(np.where(normal < 0, below, above) * normal))


@cache
def normal_draws(name: str) -> Floats:
    """Return `(DRAWS,)` draws of a normal distribution, the same for a name, exactly of mean 0 and deviation 1."""
    draws = np.random.default_rng([*name.encode()]).standard_normal(DRAWS)
    return np.asarray((draws - draws.mean()) / draws.std())
