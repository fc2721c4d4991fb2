"""The processor's caches as Linux tells them: how far it is to the memory that a pass reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SYSTEM = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


@dataclass(frozen=True, slots=True)
class Cache:
    """A cache that holds data: its level, its bytes, and how many processors share it."""

    level: int
    size: int
    shared_by: int


def data_caches(root: Path = SYSTEM) -> tuple[Cache, ...]:
    """Return the caches of the first processor that hold data, nearest first; none where the system tells none."""
    found = [_cache(place) for place in sorted(root.glob("index*")) if _text(place / "type") != "Instruction"]
    return tuple(sorted((cache for cache in found if cache is not None), key=lambda cache: cache.level))


def _cache(place: Path) -> Cache | None:
    size, level = _text(place / "size"), _text(place / "level")
    if not size or not level.isdecimal():
        return None
    number, unit = (size[:-1], size[-1]) if size[-1] in _UNITS else (size, "")
    if not number.isdecimal():
        return None
    return Cache(int(level), int(number) * _UNITS.get(unit, 1), _processors(_text(place / "shared_cpu_list")))


def _processors(text: str) -> int:
    """Return how many processors a list such as "0-3,8" names, at least one."""
    ends = [part.split("-") for part in text.split(",") if part]
    return max(1, sum(int(each[-1]) - int(each[0]) + 1 for each in ends))


def _text(path: Path) -> str:
    return path.read_text().strip() if path.is_file() else ""
