"""The CPU's own energy counters (RAPL), read from Linux's powercap tree: whole packages, nothing counted twice.

A package contains zones (cores, uncore) that its counter includes; next to it there may be `psys`
and a memory-mapped copy of the package itself; summing all of them doubles the figure, so only packages are read.
Reference: https://docs.kernel.org/power/powercap/powercap.html
"""

from __future__ import annotations

import re
from pathlib import Path

from objectives.energy.meter import CounterMeter, MeterUnavailableError
from objectives.measurement import Source

POWERCAP = Path("/sys/class/powercap")
_TOP_ZONE = re.compile(r"intel-rapl:\d+")  # AMD processors appear under this name too
_MICROJOULE = 1e-6


def rapl_meter(root: Path = POWERCAP) -> CounterMeter:
    """Return a meter over the CPU packages below `root`.

    Raises:
        MeterUnavailableError: no package zone, or one that this user may not read.
    """
    zones = _package_zones(root)
    if not zones:
        raise MeterUnavailableError(f"rapl: no CPU package below {root} (usual in virtual machines and containers)")
    counters = [zone / "energy_uj" for zone in zones.values()]
    for counter in counters:
        _number(counter)  # an unreadable counter shows here, not in the middle of a study
    return CounterMeter(
        source=Source.RAPL,
        scope=f"CPU {', '.join(zones)} without memory, all processes of the machine",
        read=lambda: [int(counter.read_text()) for counter in counters],
        joules_per_count=_MICROJOULE,
        ranges=[_number(zone / "max_energy_range_uj") for zone in zones.values()],
    )


def _package_zones(root: Path) -> dict[str, Path]:
    """Return name → zone of every package, in the order of the names; dies of one package are packages of their own."""
    zones = [path for path in sorted(root.glob("intel-rapl:*")) if _TOP_ZONE.fullmatch(path.name)]
    named = {_text(zone / "name"): zone for zone in zones}
    return {name: named[name] for name in sorted(named) if name.startswith("package")}


def _number(path: Path) -> int:
    text = _text(path)
    if not text.isdecimal():
        raise MeterUnavailableError(f"rapl: {path} holds {text[:40]!r}, not a count")
    return int(text)


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except PermissionError as error:
        remedy = "readable by root only; let an administrator grant read access"
        raise MeterUnavailableError(f"rapl: permission denied for {path} ({remedy})") from error
    except OSError as error:
        raise MeterUnavailableError(f"rapl: {path} cannot be read: {error}") from error
