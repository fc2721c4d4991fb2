"""Energy where nothing can be read: compute, memory traffic and static power, with constants that others published.

    E = FLOPs · (arithmetic + instruction) + bytes · DRAM + seconds · static power

The figure is for comparing configs, not for an electricity bill: it leaves out power supply, cooling and all but the
memory and the processor. Configs of equal FLOPs differ in it by what they move and how long they take.

Sources of the constants:
    [H] M. Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, fig. 1.1.9: 45 nm.
    [J] N. Jouppi et al., "Ten lessons from three generations shaped Google's TPUv4i", ISCA 2021, table 2: the same
        operations at 7 nm, and DRAM of its time.
    [D] B. Davy, "Building an AWS EC2 carbon emissions dataset", 2021, and the Cloud Carbon Footprint methodology,
        appendix I, built on it and on SPECpower: power of processors and boards at rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from objectives.measurement import JsonScalar

PICOJOULE = 1e-12

FP32_MULTIPLY_J = 1.31 * PICOJOULE  # [J] at 7 nm; 3.7 pJ at 45 nm [H]
FP32_ADD_J = 0.38 * PICOJOULE  # [J] at 7 nm; 0.9 pJ at 45 nm [H]
ARITHMETIC_J_PER_FLOP = (FP32_MULTIPLY_J + FP32_ADD_J) / 2

INSTRUCTION_J_45NM = 70 * PICOJOULE  # [H] fetch, decode, registers and control of one instruction
SHRINK_45_TO_7NM = 2.6  # [J] geometric mean over the operations of the table
CPU_FLOPS_PER_INSTRUCTION = 16  # a fused multiply-add on eight 32-bit lanes
GPU_FLOPS_PER_INSTRUCTION = 64  # a fused multiply-add of one warp of 32 threads

DDR_J_PER_BYTE = 1300 * PICOJOULE / 8  # [H], [J]: 1.3 nJ per 64-bit access, the same in both
HBM_J_PER_BYTE = 350 * PICOJOULE / 8  # [J] HBM2: 250–450 pJ per 64-bit access, middle

CPU_STATIC_W_PER_THREAD = 0.74  # [D] average of a cloud's vCPUs at 0 % load
GPU_STATIC_W = 46.0  # [D] one A100 of an 8-GPU server at rest: 371.6 W / 8


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyModel:
    """The three constants of a kind of device. `static_w` is per CPU thread, or per GPU board."""

    flop_j: float
    byte_j: float
    static_w: float


def _flop_j(flops_per_instruction: int) -> float:
    return ARITHMETIC_J_PER_FLOP + INSTRUCTION_J_45NM / SHRINK_45_TO_7NM / flops_per_instruction


_CPU = EnergyModel(flop_j=_flop_j(CPU_FLOPS_PER_INSTRUCTION), byte_j=DDR_J_PER_BYTE, static_w=CPU_STATIC_W_PER_THREAD)
_GPU = EnergyModel(flop_j=_flop_j(GPU_FLOPS_PER_INSTRUCTION), byte_j=HBM_J_PER_BYTE, static_w=GPU_STATIC_W)

ENERGY_MODELS: Mapping[str, EnergyModel] = {
    "cpu": _CPU,
    "cuda": _GPU,
    "mps": _CPU,  # nothing published for it; it shares package and memory with the CPU
}


def modelled_energy(*, flops: float, bytes_moved: float, seconds: float, device_kind: str, threads: int = 1) -> float:
    """Return the joules of work that computes `flops`, moves `bytes_moved` and takes `seconds`.

    Args:
        flops: 2 × multiply-accumulates.
        bytes_moved: to and from memory, weights and activations.
        seconds: wall-clock time.
        device_kind: `torch.device.type`; one of `ENERGY_MODELS`.
        threads: CPU threads at work; a GPU's static power does not depend on them.

    Raises:
        ValueError: an unknown kind of device.
    """
    if device_kind not in ENERGY_MODELS:
        raise ValueError(f"energy: no model of device {device_kind!r}; known are {sorted(ENERGY_MODELS)}")
    model = ENERGY_MODELS[device_kind]
    boards = 1 if device_kind == "cuda" else threads
    return flops * model.flop_j + bytes_moved * model.byte_j + seconds * model.static_w * boards


def model_conditions(device_kind: str) -> dict[str, JsonScalar]:
    """Return the constants in force and their sources, to be kept with a modelled figure."""
    model = ENERGY_MODELS[device_kind]
    return {
        "flop_j": model.flop_j,
        "byte_j": model.byte_j,
        "static_w": model.static_w,
        "constants": "Horowitz 2014; Jouppi et al. 2021; Davy 2021",
    }
