"""Room: the memory that a device has left for what is to be measured."""

from __future__ import annotations

from pathlib import Path

import psutil
import torch

CGROUP = Path("/sys/fs/cgroup")


def free_bytes(device: torch.device, cgroup: Path = CGROUP) -> int:
    """Return the bytes that can still be allocated on a device; on the CPU within the limit of the container, too."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free)
    here = int(psutil.virtual_memory().available)
    limit, used = _number(cgroup / "memory.max"), _number(cgroup / "memory.current")
    return here if limit is None or used is None else max(0, min(here, limit - used))


def _number(path: Path) -> int | None:
    """Return the number in a file, None where it holds the word for none or is not there."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
