"""Precision of training steps: bfloat16 where the processor computes in it, float32 elsewhere.

Weights, gradients and the optimizer stay in float32. Figures are never taken in bfloat16: evaluation runs in float32.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch

INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})  # of x86 and of ARM, as Linux names them
CPUINFO = Path("/proc/cpuinfo")
AMPERE = (8, 0)  # the first NVIDIA generation with bfloat16
BY_NAME = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def training_dtype(device: torch.device, cpuinfo: Path = CPUINFO) -> torch.dtype:
    """Return what training steps on a device compute in. Without it a CPU only converts, and is slower than before."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= AMPERE else torch.float32
    if device.type == "cpu" and cpuinfo.is_file():
        return torch.bfloat16 if INSTRUCTIONS & set(cpuinfo.read_text(errors="replace").split()) else torch.float32
    return torch.float32


def computing_in(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """Compute in `dtype` inside, where that is safe for an operation; float32 changes nothing."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)


def name_of(dtype: torch.dtype) -> str:
    """Return the name of a dtype, such as "bfloat16"."""
    return str(dtype).removeprefix("torch.")
