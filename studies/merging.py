"""What a later measurement replaces: the same quantity under the same conditions."""

from __future__ import annotations

import json
from collections.abc import Iterable

from objectives.measurement import Measurement


def identity(measurement: Measurement) -> tuple[str, str]:
    """Return what two measurements of one model share when the later one replaces the earlier."""
    return measurement.quantity, json.dumps(measurement.conditions, sort_keys=True)


def merged(earlier: Iterable[Measurement], later: Iterable[Measurement]) -> tuple[Measurement, ...]:
    """Return the earlier measurements that nothing later replaces, then the later ones, of equals the last."""
    replacing: dict[tuple[str, str], Measurement] = {}
    for measurement in later:
        replacing.pop(identity(measurement), None)  # the replacement comes last, not where the replaced one stood
        replacing[identity(measurement)] = measurement
    if not replacing:
        return tuple(earlier)
    kept = (measurement for measurement in earlier if identity(measurement) not in replacing)
    return (*kept, *replacing.values())
