"""The GPU's total-energy counter, read through NVML: millijoules since the driver was loaded (Volta and later).

torch counts visible devices and NVML all of them, so the device is looked up by its UUID. Reference:
https://docs.nvidia.com/deploy/nvml-api/ (nvmlDeviceGetTotalEnergyConsumption)
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pynvml
import torch

from objectives.device import synchronise
from objectives.energy.meter import CounterMeter, MeterError, MeterUnavailableError
from objectives.measurement import Source

_MILLIJOULE = 1e-3


def nvml_meter(device: torch.device) -> CounterMeter:
    """Return a meter over the energy counter of a CUDA device.

    Raises:
        MeterUnavailableError: no NVML, a GPU older than Volta, or a MIG slice, which has no counter of its own.
    """
    return meter_of(pynvml, device, uuid=str(torch.cuda.get_device_properties(device).uuid))


def meter_of(nvml: ModuleType, device: torch.device, *, uuid: str) -> CounterMeter:
    """Return a meter over the counter that `nvml` has for the GPU with this UUID (without its "GPU-" prefix)."""
    try:
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        name = nvml.nvmlDeviceGetName(handle)
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except nvml.NVMLError as error:
        remedy = "needs Volta or later, a loaded driver and no MIG slice"
        raise MeterUnavailableError(f"nvml: no energy counter for {device} ({uuid}): {error}; {remedy}") from error
    return CounterMeter(
        source=Source.NVML,
        scope=f"whole board of {name}, all its processes",
        read=lambda: _read_mj(nvml, handle, device),
        joules_per_count=_MILLIJOULE,
        ranges=(None,),
    )


def _read_mj(nvml: ModuleType, handle: Any, device: torch.device) -> Sequence[int]:  # Any: an opaque NVML pointer
    synchronise(device)
    try:
        return (int(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)),)
    except nvml.NVMLError as error:
        raise MeterError(f"nvml: the energy counter cannot be read: {error}") from error
