"""Device: where a study runs, refused where this machine has none of that name or cannot measure its energy."""

from __future__ import annotations

import torch

from objectives.energy.choose import meter_of
from objectives.energy.meter import MeterUnavailableError
from optimizer.errors import InputError


def check_device(name: str) -> torch.device:
    """Return the device. Raises `InputError` where this machine has none of that name."""
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        here = ", ".join(f"cuda:{index}" for index in range(torch.cuda.device_count()))
        raise InputError("device", f"{name!r} is not here; use {here}{' or ' if here else ''}cpu")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError("device", "'mps' is not here; use cpu")
    return device


def check_meter(device: torch.device) -> None:
    """Raise `InputError` where the energy of a device cannot be measured on this machine."""
    try:
        meter_of(device)
    except MeterUnavailableError as error:
        raise InputError("require_measured_energy", f"no energy meter of {device} can be read: {error}") from error
