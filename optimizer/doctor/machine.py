"""The machine: processor, memory, disk and devices, as the system tells them."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shutil import disk_usage

import psutil
import torch
from pydantic import BaseModel, ConfigDict

from objectives.caches import data_caches
from objectives.device import INT8, cpu_name, device_name, vector_instructions
from optimizer.backends.names import COMPILED, compiler
from optimizer.precision import name_of, native_dtype

BF16, AMX = frozenset({"avx512_bf16", "amx_bf16", "bf16"}), frozenset({"amx_int8", "amx_bf16"})
VARIABLES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "ZEUSD_SOCK_PATH")
BACKENDS = ("torch", "onnxruntime")
GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
CPUINFO, CGROUP = Path("/proc/cpuinfo"), Path("/sys/fs/cgroup")


class Found(BaseModel):
    """Something of this machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CacheFound(Found):
    """A cache of data: its level, its bytes, and how many processors share it."""

    level: int
    bytes: int
    shared_by: int


class Processor(Found):
    """The processor. `usable` are the processors that this process may use, which a container may limit to a share."""

    name: str
    cores: int | None
    processors: int
    usable: float
    instructions: tuple[str, ...]
    int8: tuple[str, ...]
    bf16: tuple[str, ...]
    amx: bool
    caches: tuple[CacheFound, ...]
    megahertz: float | None
    governor: str | None
    is_virtual: bool
    threads: int


class Memory(Found):
    """Bytes of memory; `limit` is that of the container."""

    total: int
    available: int
    limit: int | None
    swap: int


class Disk(Found):
    """Bytes of the disk of the cache directory."""

    path: str
    total: int
    free: int


class Device(Found):
    """A device that models can run on; `bytes` of its own memory, `training` what training steps on it compute in."""

    name: str
    title: str
    training: str
    bytes: int | None = None


def processor() -> Processor:
    """Return the processor."""
    rate = psutil.cpu_freq() if hasattr(psutil, "cpu_freq") else None
    instructions = vector_instructions()
    return Processor(
        name=cpu_name(),
        cores=psutil.cpu_count(logical=False),
        processors=psutil.cpu_count() or 1,
        usable=usable_processors(),
        instructions=tuple(instructions),
        int8=tuple(name for name in instructions if name in INT8),
        bf16=tuple(name for name in instructions if name in BF16),
        amx=bool(AMX & {*instructions}),
        caches=tuple(CacheFound(level=c.level, bytes=c.size, shared_by=c.shared_by) for c in data_caches()),
        megahertz=rate.current if rate else None,
        governor=GOVERNOR.read_text().strip() if GOVERNOR.is_file() else None,
        is_virtual=is_virtual(),
        threads=torch.get_num_threads(),
    )


def usable_processors(cgroup: Path = CGROUP) -> float:
    """Return how many processors this process may use: those it is bound to, or the share that a container leaves."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count() or 1
    quota, period = (*_words(cgroup / "cpu.max"), "max", "")[:2]
    return min(bound, int(quota) / int(period)) if quota.isdecimal() and period.isdecimal() else bound


def is_virtual(cpuinfo: Path = CPUINFO) -> bool:
    """Whether a hypervisor runs this system, as far as the processor tells."""
    return cpuinfo.is_file() and "hypervisor" in cpuinfo.read_text(errors="replace").split()


def memory(cgroup: Path = CGROUP) -> Memory:
    """Return the memory."""
    limit = (*_words(cgroup / "memory.max"), "max")[0]
    virtual = psutil.virtual_memory()
    return Memory(
        total=virtual.total,
        available=virtual.available,
        limit=int(limit) if limit.isdecimal() else None,
        swap=psutil.swap_memory().total,
    )


def disk(cache_dir: Path) -> Disk:
    """Return the disk of the cache directory, which need not exist yet."""
    place = next(path for path in (cache_dir, *cache_dir.absolute().parents) if path.exists())
    usage = disk_usage(place)
    return Disk(path=str(cache_dir), total=usage.total, free=usage.free)


def devices() -> tuple[Device, ...]:
    """Return what models can run on here."""
    found = [Device(name="cpu", title=cpu_name(), training=_training(torch.device("cpu")))]
    for index in range(torch.cuda.device_count()):
        device = torch.device("cuda", index)
        total = torch.cuda.get_device_properties(device).total_memory
        found.append(Device(name=str(device), title=device_name(device), training=_training(device), bytes=total))
    if torch.backends.mps.is_available():
        found.append(Device(name="mps", title=cpu_name(), training=_training(torch.device("mps"))))
    return tuple(found)


def _training(device: torch.device) -> str:
    return name_of(native_dtype(device))


def backends() -> dict[str, str | None]:
    """Return the version of every package that can run models, and what compiles them; None for what is not here."""
    return {**{name: _version(name) for name in BACKENDS}, COMPILED: compiler()}


def variables() -> dict[str, str]:
    """Return the variables that are set and change what is measured."""
    return {name: os.environ[name] for name in VARIABLES if name in os.environ}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _words(path: Path) -> list[str]:
    return path.read_text().split() if path.is_file() else []
