"""Profiles: the constants of a kind of device, each with its source and the range in which it is believed to lie.

Sources of the constants:
    [H] M. Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, fig. 1.1.9: 45 nm.
    [J] N. Jouppi et al., "Ten lessons from three generations shaped Google's TPUv4i", ISCA 2021, table 2: the same
        operations at 7 nm, SRAM of several sizes, and DRAM of its time.
    [C] Cloud Carbon Footprint (`hardware.py`): power at rest and at full load.

What a running thread draws whatever it computes (`awake`: clocks, fetching, scheduling) is in none of them; half of the
way from rest to full load stands for it, within a wide range.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field, model_validator

from objectives.caches import Cache
from objectives.energy.computed import FLOAT32
from objectives.energy.hardware import Power

PICO = 1e-12
NEAR, FAR, MEMORY = "near cache", "far cache", "memory"
LEVELS = (NEAR, FAR, MEMORY)

MULTIPLY_ADD_PJ = {  # [J] at 7 nm, [H] at 45 nm: a multiplication and an addition
    FLOAT32: (1.31 + 0.38, 3.7 + 0.9),
    "float16": (0.34 + 0.16, 1.1 + 0.4),
    "bfloat16": (0.21 + 0.11, 1.1 + 0.4),
    "int8": (0.07 + 0.03, 0.2 + 0.1),  # added up in 32 bits
}
INSTRUCTION_PJ = (70 / 2.6, 70.0)  # [H] fetch, decode, registers; shrunk as [J]'s operations are on average
SRAM_1MB_PJ = (14 / 8, 100 / 8)  # [J], [H] per byte of a 64-bit access
SRAM_GROWTH = (0.15, 0.5)  # [J], [H] exponents of an access's energy in the size, from 32 KB to 1 MB
DDR_PJ = (1300 / 8, 2600 / 8)  # [H], [J] per byte: 1.3 to 2.6 nJ per 64-bit access
HBM_PJ = (250 / 8, 450 / 8)  # [J] HBM2
AWAKE = (0.5, 0.2, 0.8)  # of the way from rest to full load: no source, so the range is wide
OTHER_KIND = 1.8  # by which power may differ where the kind of hardware is not known, else
SAME_KIND = 1.3
WARP = 64  # operations of one instruction of a GPU: a fused multiply-add of 32 threads


class Constant(BaseModel):
    """A constant and the range that holds it with 95 %, all positive."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: float = Field(gt=0)
    lower: float = Field(gt=0)
    upper: float = Field(gt=0)

    @model_validator(mode="after")
    def _in_range(self) -> Constant:
        if not self.lower <= self.value <= self.upper:
            raise ValueError(f"`lower <= value <= upper` must hold, but got {self.lower}, {self.value}, {self.upper}")
        return self

    def scaled(self, factor: float) -> Constant:
        """Return the constant in another unit, or of several."""
        return Constant(value=factor * self.value, lower=factor * self.lower, upper=factor * self.upper)


class Profile(BaseModel):
    """What a device draws: watts of one thread (of the board of a GPU), joules per operation and per byte.

    `awake_w` is drawn while it works, in addition to `idle_w`; `sizes` are the bytes of its caches. `source` says from
    where the constants are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str
    source: str
    idle_w: Constant
    awake_w: Constant
    flop_j: Mapping[str, Constant]
    byte_j: Mapping[str, Constant]
    sizes: tuple[float, float]  # of the near and the far cache
    per_thread: bool = True

    def flop(self, precision: str) -> str:
        """Return the precision whose constant an operation has: float32's where its own is not known."""
        return precision if precision in self.flop_j else FLOAT32


def cpu_profile(power: Power, instructions: Sequence[str], caches: Sequence[Cache]) -> Profile:
    """Return the profile of a thread of a processor with these vector instructions and caches."""
    near, far = _sizes(caches)
    operations = _operations(frozenset(instructions))
    return Profile(
        device="cpu",
        source=f"Horowitz 2014; Jouppi et al. 2021; Cloud Carbon Footprint: {power.name}",
        idle_w=_power(power.idle, power),
        awake_w=_awake(power),
        flop_j={kind: _flop(kind, operations[kind]) for kind in operations},
        byte_j={NEAR: _sram(near), FAR: _sram(far), MEMORY: _between(*DDR_PJ)},
        sizes=(near, far),
    )


def gpu_profile(power: Power, cache_bytes: float = 40 * 2**20) -> Profile:
    """Return the profile of the board of a GPU with so large a cache."""
    return Profile(
        device="cuda",
        source=f"Horowitz 2014; Jouppi et al. 2021; Cloud Carbon Footprint: {power.name}",
        idle_w=_power(power.idle, power),
        awake_w=_awake(power),
        flop_j={kind: _flop(kind, WARP) for kind in MULTIPLY_ADD_PJ},
        byte_j={NEAR: _sram(128 * 2**10), FAR: _sram(cache_bytes), MEMORY: _between(*HBM_PJ)},
        sizes=(128 * 2**10, cache_bytes),
        per_thread=False,
    )


def _operations(instructions: frozenset[str]) -> dict[str, float]:
    """Return the operations of one vector instruction by precision; without instructions of its own, float32's."""
    wide = "avx512_f" in instructions or "sve" in instructions
    lanes = 16 if wide else 8
    own_int8 = bool(instructions & {"avx512_vnni", "avx_vnni", "avx_vnni_int8", "dot", "i8mm"})
    int8 = 8 * lanes if own_int8 else 8 * lanes / 3  # else by three instructions
    if "amx_int8" in instructions:
        int8 = 2 * 16 * 16 * 64
    bf16 = 4 * lanes if instructions & {"avx512_bf16", "bf16"} else 2 * lanes
    if "amx_bf16" in instructions:
        bf16 = 2 * 16 * 16 * 32
    return {FLOAT32: 2 * lanes, "float16": 2 * lanes, "bfloat16": bf16, "int8": int8}


def _flop(precision: str, operations: float) -> Constant:
    """Return the joules of one operation, of two of a multiply-add, with its share of the instruction."""
    ends = [
        (add / 2 + whole / operations) for add, whole in zip(MULTIPLY_ADD_PJ[precision], INSTRUCTION_PJ, strict=True)
    ]
    return Constant(value=PICO * ends[0], lower=PICO * ends[0] / 2, upper=PICO * ends[1])


def _sram(size: float) -> Constant:
    """Return the joules of a byte of a cache: it grows with the size, by how much is not agreed on."""
    megabytes = size / 2**20
    ends = sorted(SRAM_1MB_PJ[0] * megabytes**power for power in SRAM_GROWTH)
    middle = (ends[0] * ends[1]) ** 0.5
    older = SRAM_1MB_PJ[1] * max(megabytes, 1.0) ** SRAM_GROWTH[0]
    return Constant(value=PICO * middle, lower=PICO * ends[0] / 2, upper=PICO * max(older, ends[1]))


def _between(lower: float, upper: float) -> Constant:
    return Constant(value=PICO * (lower * upper) ** 0.5, lower=PICO * lower / 1.3, upper=PICO * upper)


def _power(watts: float, power: Power) -> Constant:
    apart = SAME_KIND if power.known else OTHER_KIND
    return Constant(value=watts, lower=watts / apart, upper=watts * apart)


def _awake(power: Power) -> Constant:
    apart, span = SAME_KIND if power.known else OTHER_KIND, power.busy - power.idle
    value, lower, upper = AWAKE
    return Constant(value=value * span, lower=lower * span / apart, upper=upper * span * apart)


def _sizes(caches: Sequence[Cache]) -> tuple[float, float]:
    """Return the bytes of the second level and of the last one; those of a usual server where they are not told."""
    near = next((cache.size for cache in caches if cache.level == 2), 2**20)
    far = max((cache.size for cache in caches if cache.level > 2), default=max(32 * 2**20, near))
    return float(near), float(far)
