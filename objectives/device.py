"""The device that runs a model: its name for people, its fingerprint for keys, and waiting until it has finished."""

from __future__ import annotations

import json
import platform
import subprocess
from hashlib import sha256
from pathlib import Path

import torch
from torch import nn

from objectives.measurement import JsonScalar

VECTOR_INSTRUCTIONS = (
    *("avx2", "avx512_f", "avx_vnni", "avx512_vnni", "avx_vnni_int8", "amx_int8", "avx512_bf16", "amx_bf16"),
    *("neon", "dot", "i8mm", "bf16", "sve", "sve2"),
)
"""On which the speed of few bits depends. `INT8` multiply integers of 8 bits."""
INT8 = frozenset({"avx_vnni", "avx512_vnni", "avx_vnni_int8", "amx_int8", "dot", "i8mm"})


def device_of(model: nn.Module) -> torch.device:
    """Return the device of the model's first parameter (the CPU where it has none)."""
    parameter = next(model.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def cpu_threads(device: torch.device) -> int:
    """Return on how many CPU threads models run there, none on another device."""
    return torch.get_num_threads() if device.type == "cpu" else 0


def synchronise(device: torch.device) -> None:
    """Wait until everything queued on `device` is done; the CPU queues nothing."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def device_name(device: torch.device) -> str:
    """Return the name its maker gave the device, such as "AMD EPYC 7B13" or "NVIDIA A100-SXM4-40GB"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return cpu_name()


def describe_device(device: torch.device) -> dict[str, JsonScalar]:
    """Return what a timing on `device` depends on besides the model: device, its name, threads, torch, instructions.

    On CUDA also whether convolutions of float32 are computed in TF32, as torch does unless told otherwise.
    """
    described: dict[str, JsonScalar] = {
        "device": str(device),
        "device_name": device_name(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }
    return {**described, "convolutions": _convolutions()} if device.type == "cuda" else described


def vector_instructions() -> list[str]:
    """Return which instructions of `VECTOR_INSTRUCTIONS` this CPU has; for an older torch the set that torch uses."""
    known = getattr(torch.cpu, "get_capabilities", None)  # since torch 2.11
    if known is None:
        return [torch.backends.cpu.get_cpu_capability().lower()]
    has = known()
    return [name for name in VECTOR_INSTRUCTIONS if has.get(name)]


def _convolutions() -> str:
    settings = getattr(torch.backends.cudnn, "conv", None)  # since torch 2.9
    in_tf32 = torch.backends.cudnn.allow_tf32 if settings is None else settings.fp32_precision == "tf32"
    return "tf32" if in_tf32 else "float32"


def device_fingerprint(device: torch.device) -> str:
    """Return the first 16 hex digits of the SHA-256 of `describe_device`: equal where timings may be compared."""
    return sha256(json.dumps(describe_device(device), sort_keys=True).encode()).hexdigest()[:16]


def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's name as the system tells it: Linux's `cpuinfo`, macOS's sysctl, else Python's own word."""
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    if platform.system() == "Darwin":
        command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return platform.processor() or platform.machine()
