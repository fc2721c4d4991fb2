"""What a device computes in at its fastest: bfloat16 where it has instructions for it, float32 elsewhere.

Training steps do, with weights, gradients and the optimizer in float32. A search does where it is asked to. The
figures of members are always of float32.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch

INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})  # of x86 and of ARM, as Linux names them
CPUINFO = Path("/proc/cpuinfo")
AMPERE = (8, 0)  # the first NVIDIA generation with bfloat16
BY_NAME = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def native_dtype(device: torch.device, cpuinfo: Path = CPUINFO) -> torch.dtype:
    """Return bfloat16 for a device that computes in it. Without instructions a CPU converts, and is slower for it."""
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
