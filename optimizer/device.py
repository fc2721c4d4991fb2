"""Device: where a study runs, refused where this machine has none of that name."""

from __future__ import annotations

import torch

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
