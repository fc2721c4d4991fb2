"""What the package zeus can read and this one cannot: AMD GPUs, Apple silicon, Jetson, and RAPL through its daemon.

Reference: https://ml.energy/zeus (ZeusMonitor). The daemon, `zeusd`, reads RAPL as root and serves it to users; its
socket is named by the variable ZEUSD_SOCK_PATH.
"""

from __future__ import annotations

import itertools
import platform
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from objectives.device import synchronise
from objectives.energy.meter import CounterResetError, MeterError, MeterUnavailableError, State
from objectives.energy.rapl import POWERCAP
from objectives.measurement import Source

TEGRA = Path("/etc/nv_tegra_release")  # what a Jetson runs
_MILLIJOULE = 1e-3
_SOC_PARTS = (("total_energy_mj",), ("cpu_total_mj", "gpu_mj", "gpu_sram_mj", "ane_mj", "dram_mj"))
"""What a system on a chip consists of: a Jetson tells its total, Apple silicon its parts."""


def zeus_meter(device: torch.device) -> ZeusMeter:
    """Return a meter over what zeus reads for a device.

    Raises:
        MeterUnavailableError: the package is not installed, or finds nothing for this device.
    """
    if find_spec("zeus") is None:
        raise MeterUnavailableError("zeus: not installed; pip install 'pruning-optimizer[zeus]'")
    on_gpu = device.type == "cuda"
    if not (on_gpu or _may_find_something()):  # importing it takes seconds
        raise MeterUnavailableError("zeus: nothing for it to read: no RAPL, no Apple silicon, no Jetson")
    from zeus.monitor import ZeusMonitor

    gpus = [device.index or 0] if on_gpu else []
    try:
        monitor = ZeusMonitor(gpu_indices=gpus, cpu_indices=[] if on_gpu else None)
    except Exception as error:  # zeus raises what its drivers raise
        raise MeterUnavailableError(f"zeus: {error}") from error
    if not (gpus or monitor.cpu_indices or monitor.soc_is_present):
        raise MeterUnavailableError(f"zeus: finds no meter for {device.type} on this machine")
    return ZeusMeter(monitor, scope=_scope(monitor, device), wait=partial(synchronise, device))


class ZeusMeter:
    """A meter over a monitor of zeus, whose windows have names."""

    source = Source.ZEUS

    def __init__(self, monitor: Any, *, scope: str, wait: Callable[[], None]) -> None:  # Any: zeus is an extra
        self.scope = scope
        self._monitor, self._wait = monitor, wait
        self._names = (f"window {number}" for number in itertools.count())
        self._open: str | None = None

    def start(self) -> None:
        """Open a window."""
        if self._open is not None:
            raise MeterError(f"{self.source}: a window is open already; stop it first")
        name = next(self._names)
        self._wait()
        self._asked(lambda: self._monitor.begin_window(name, sync_execution=False))
        self._open = name

    def stop(self) -> float:
        """Close the window and return its joules."""
        if self._open is None:
            raise MeterError(f"{self.source}: no window is open; start one first")
        name, self._open = self._open, None
        self._wait()
        found = self._asked(lambda: self._monitor.end_window(name, sync_execution=False))
        parts = [*found.gpu_energy.values(), *(found.cpu_energy or {}).values(), *(found.dram_energy or {}).values()]
        joules = float(sum(parts)) + _MILLIJOULE * _of_chip(found.soc_energy)
        if joules < 0:
            raise CounterResetError(f"{self.source}: the energy counter went back by {-joules} J; was it reset?")
        return joules

    def state(self) -> State:
        """Return nothing: zeus does not tell it for all that it reads."""
        return State()

    def _asked(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except Exception as error:  # zeus raises what its drivers raise
            raise MeterError(f"{self.source}: {error}") from error


def _may_find_something() -> bool:
    apple = platform.system() == "Darwin" and platform.machine() == "arm64"
    return apple or TEGRA.exists() or any(POWERCAP.glob("intel-rapl:*"))


def _of_chip(measured: Any) -> float:
    """Return the millijoules of a system on a chip, 0 where there is none."""
    for parts in _SOC_PARTS:
        told = [getattr(measured, part, None) for part in parts]
        if any(value is not None for value in told):
            return float(sum(value for value in told if value is not None))
    return 0.0


def _scope(monitor: Any, device: torch.device) -> str:
    if monitor.soc_is_present:
        return "the whole chip with its memory, all processes of the machine"
    if device.type == "cuda":
        return f"whole board of {torch.cuda.get_device_name(device)}, all its processes"
    return f"CPU packages {', '.join(map(str, monitor.cpu_indices))}, all processes of the machine"
