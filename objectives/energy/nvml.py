"""NVIDIA GPUs, read through NVML: the total-energy counter (Volta and later), else power that is sampled.

torch numbers the devices that `CUDA_VISIBLE_DEVICES` shows it, by index or by UUID, and in an order of its own; NVML
numbers all of them by their place on the bus. So a device is looked up by the UUID that torch knows it by. A slice of a
GPU (MIG) has no counter of its own, and its board's counts its neighbours too. Reference:
https://docs.nvidia.com/deploy/nvml-api/ (nvmlDeviceGetTotalEnergyConsumption, nvmlDeviceGetFieldValues)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import Any

import pynvml
import torch

from objectives.device import synchronise
from objectives.energy.meter import CounterMeter, MeterError, MeterUnavailableError, State
from objectives.energy.sampled import PowerMeter
from objectives.measurement import Source

Handle = Any  # an opaque NVML pointer

_MILLI = 1e-3
_SLOWED = {  # bits of nvmlDeviceGetCurrentClocksEventReasons
    0x04: "power limit",
    0x08: "hardware slowdown",
    0x20: "software thermal limit",
    0x40: "hardware thermal limit",
    0x80: "power brake",
}


def nvml_meter(*devices: torch.device) -> CounterMeter:
    """Return a meter over the energy counters of CUDA devices.

    Raises:
        MeterUnavailableError: no NVML, a GPU older than Volta, or a MIG slice.
    """
    return counter_of(pynvml, _uuids(devices), wait=partial(_wait, devices))


def nvml_power_meter(*devices: torch.device) -> PowerMeter:
    """Return a meter that samples the power of CUDA devices, for those without an energy counter.

    Raises:
        MeterUnavailableError: no NVML, a GPU that does not tell its power, or a MIG slice.
    """
    return power_of(pynvml, _uuids(devices), wait=partial(_wait, devices))


def power_limit_w(device: torch.device, nvml: ModuleType = pynvml) -> float | None:
    """Return the power limit of a CUDA device's board, None where NVML tells none, as of a MIG slice."""
    try:
        (handle,) = handles_of(nvml, _uuids([device]))
        return _MILLI * float(nvml.nvmlDeviceGetEnforcedPowerLimit(handle))
    except (MeterUnavailableError, nvml.NVMLError):
        return None


def counter_of(nvml: ModuleType, uuids: Sequence[str], *, wait: Callable[[], None]) -> CounterMeter:
    """Return a meter over the counters that `nvml` has for the GPUs with these UUIDs (without their "GPU-")."""
    handles = handles_of(nvml, uuids)
    read = partial(_read, nvml, handles, nvml.nvmlDeviceGetTotalEnergyConsumption, "energy counter")
    try:
        read()
    except MeterError as error:
        raise MeterUnavailableError(f"{error}; it needs Volta or later") from error
    return CounterMeter(
        source=Source.NVML,
        scope=_scope(nvml, handles),
        read=lambda: _after(wait, read),
        joules_per_count=_MILLI,
        ranges=[None] * len(handles),
        state=partial(_state, nvml, handles),
    )


def power_of(
    nvml: ModuleType, uuids: Sequence[str], *, wait: Callable[[], None], **options: Any
) -> PowerMeter:  # options of PowerMeter
    """Return a meter that samples the power that `nvml` tells of the GPUs with these UUIDs (without their "GPU-")."""
    handles = handles_of(nvml, uuids)
    read = partial(_read, nvml, handles, partial(_milliwatts, nvml), "power")
    try:
        read()
    except MeterError as error:
        raise MeterUnavailableError(str(error)) from error
    return PowerMeter(
        source=Source.NVML_POWER,
        scope=f"{_scope(nvml, handles)}, power sampled and summed up",
        read_w=lambda: _MILLI * sum(read()),
        wait=wait,
        state=partial(_state, nvml, handles),
        **options,
    )


def handles_of(nvml: ModuleType, uuids: Sequence[str]) -> list[Handle]:
    """Return NVML's handles of the GPUs with these UUIDs (without their "GPU-").

    Raises:
        MeterUnavailableError: no NVML, no such GPU, or one that is cut into MIG slices.
    """
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        raise MeterUnavailableError(f"nvml: {error}; it comes with the NVIDIA driver") from error
    return [_handle(nvml, uuid) for uuid in uuids]


def _handle(nvml: ModuleType, uuid: str) -> Handle:
    slices = (
        f"nvml: {uuid} is a MIG slice, which has no counter of its own; its board's counts the other slices as well"
    )
    try:
        handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
    except nvml.NVMLError as error:
        raise MeterUnavailableError(slices if _is_slice(nvml, uuid) else f"nvml: no GPU {uuid}: {error}") from error
    if _is_sliced(nvml, handle):
        raise MeterUnavailableError(slices)
    return handle


def _is_slice(nvml: ModuleType, uuid: str) -> bool:
    try:
        nvml.nvmlDeviceGetHandleByUUID(f"MIG-{uuid}")
    except nvml.NVMLError:
        return False
    return True


def _is_sliced(nvml: ModuleType, handle: Handle) -> bool:
    """Whether a GPU is cut into slices; one that does not know of such a thing is not."""
    try:
        mode, _ = nvml.nvmlDeviceGetMigMode(handle)
    except nvml.NVMLError:
        return False
    return bool(mode)


def _uuids(devices: Sequence[torch.device]) -> list[str]:
    return [str(torch.cuda.get_device_properties(device).uuid) for device in devices]


def _wait(devices: Sequence[torch.device]) -> None:
    for device in devices:
        synchronise(device)


def _scope(nvml: ModuleType, handles: Sequence[Handle]) -> str:
    names = ", ".join(nvml.nvmlDeviceGetName(handle) for handle in handles)
    return f"whole board of {names}, all its processes"


def _read(nvml: ModuleType, handles: Sequence[Handle], get: Callable[[Handle], int], name: str) -> list[int]:
    try:
        return [int(get(handle)) for handle in handles]
    except nvml.NVMLError as error:
        raise MeterError(f"nvml: the {name} cannot be read: {error}") from error


def _after(wait: Callable[[], None], read: Callable[[], list[int]]) -> list[int]:
    wait()
    return read()


def _milliwatts(nvml: ModuleType, handle: Handle) -> int:
    """Return the power now; where a driver tells it, not the mean of the last second that newer GPUs give otherwise."""
    try:
        (field,) = nvml.nvmlDeviceGetFieldValues(handle, [nvml.NVML_FI_DEV_POWER_INSTANT])
    except nvml.NVMLError:
        return int(nvml.nvmlDeviceGetPowerUsage(handle))
    return (
        int(field.value.uiVal) if field.nvmlReturn == nvml.NVML_SUCCESS else int(nvml.nvmlDeviceGetPowerUsage(handle))
    )


def _state(nvml: ModuleType, handles: Sequence[Handle]) -> State:
    try:
        celsius = max(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU) for handle in handles)
        reasons = [int(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)) for handle in handles]
    except nvml.NVMLError:
        return State()  # a GPU need not tell it
    return State(float(celsius), tuple(name for bit, name in _SLOWED.items() if any(bit & each for each in reasons)))
