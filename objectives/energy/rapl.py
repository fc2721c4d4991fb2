"""The CPU's own energy counters (RAPL), read from Linux's powercap tree: packages and their memory, nothing twice.

A package contains zones (cores, uncore) that its counter includes, and one (dram) that it does not; next to it there
may be `psys` and a memory-mapped copy of the package itself. So packages and their dram are read, and nothing else.
Reference: https://docs.kernel.org/power/powercap/powercap.html
"""

from __future__ import annotations

import re
from pathlib import Path

import psutil

from objectives.energy.meter import CounterMeter, MeterUnavailableError, State
from objectives.measurement import Source

POWERCAP = Path("/sys/class/powercap")
PACKAGE, DRAM = "package", "dram"
REMEDY = (
    "since 2020 only root may read it, as it can leak secrets of other users; on a machine of your own run "
    "`sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj /sys/class/powercap/intel-rapl:*:*/energy_uj` after "
    "every boot, mount /sys/class/powercap into a container, or run the daemon of zeus"
)
_ZONE = re.compile(r"intel-rapl:\d+(:\d+)?")  # AMD processors appear under this name too
_MICROJOULE = 1e-6


def rapl_meter(root: Path = POWERCAP, parts: frozenset[str] = frozenset({PACKAGE, DRAM})) -> CounterMeter:
    """Return a meter over the CPU packages below `root` and their memory, or over one of these `parts`.

    Raises:
        MeterUnavailableError: no such zone, or one that this user may not read.
    """
    zones = {name: zone for name, zone in _zones(root).items() if _part(name) in parts}
    if not zones:
        what = "CPU package" if PACKAGE in parts else "memory of a CPU"
        raise MeterUnavailableError(f"rapl: no {what} below {root} (usual in virtual machines and containers)")
    counters = [zone / "energy_uj" for zone in zones.values()]
    for counter in counters:
        _number(counter)  # an unreadable counter shows here, not in the middle of a study
    with_memory = any(_part(name) == DRAM for name in zones)
    return CounterMeter(
        source=Source.RAPL,
        scope=f"CPU {', '.join(zones)}{'' if with_memory else ' without memory'}, all processes of the machine",
        read=lambda: [int(counter.read_text()) for counter in counters],
        joules_per_count=_MICROJOULE,
        ranges=[_range(zone / "max_energy_range_uj") for zone in zones.values()],
        state=_state,
    )


def _zones(root: Path) -> dict[str, Path]:
    """Return name → zone of every package and its memory, by name; dies of one package are packages of their own."""
    zones = {path.name: path for path in sorted(root.glob("intel-rapl:*")) if _ZONE.fullmatch(path.name)}
    named = {name: _text(zone / "name") for name, zone in zones.items()}
    packages = {name: f"{named[name]}" for name in named if named[name].startswith(PACKAGE)}
    memory = {
        name: f"{packages[owner]} {DRAM}"
        for name in named
        if named[name] == DRAM and (owner := name.rpartition(":")[0]) in packages
    }
    found = {words: zones[name] for name, words in (packages | memory).items()}
    return {words: found[words] for words in sorted(found)}


def _part(name: str) -> str:
    return DRAM if name.endswith(f" {DRAM}") else PACKAGE


def _number(path: Path) -> int:
    text = _text(path)
    if not text.isdecimal():
        raise MeterUnavailableError(f"rapl: {path} holds {text[:40]!r}, not a count")
    return int(text)


def _range(path: Path) -> int | None:
    return _number(path) if path.exists() else None


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except PermissionError as error:
        raise MeterUnavailableError(f"rapl: permission denied for {path}: {REMEDY}") from error
    except OSError as error:
        raise MeterUnavailableError(f"rapl: {path} cannot be read: {error}") from error


def _state() -> State:
    """Return the temperature of the hottest sensor of the processor, where the system tells it."""
    sensors = psutil.sensors_temperatures() if hasattr(psutil, "sensors_temperatures") else {}
    degrees = [each.current for name in ("coretemp", "k10temp", "zenpower") for each in sensors.get(name, ())]
    return State(max(degrees, default=None))
