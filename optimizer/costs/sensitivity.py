"""Sensitivity: how far each level of a group changes the model's answers while all other groups are dense.

Each level takes one short pass over a few examples. Only the most informative levels are measured: first the
removed block and a middle level of every group, then, over all groups together, the middle of the widest gap. The
rest is interpolated, monotone and in logarithms, since divergences span four powers of ten.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.interpolate import PchipInterpolator

from search_spaces.allocation import FloatArray
from search_spaces.files import written_whole
from search_spaces.groups import Group

PASSES_PER_GROUP = 4
RUINOUS = 0.1  # above this a level is unusable; differences between such divergences are not worth a pass
FLOOR = 1e-5  # keeps logarithms finite; smaller divergences are noise

Measured = dict[int, float]  # level -> divergence
Pass = Callable[[str, int], float]  # group name, level -> divergence of the model with only that group reduced


def measure_sensitivity(
    groups: Sequence[Group],
    divergence_of: Pass,
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> dict[str, Measured]:
    """Return the measured divergences by group name and level; the dense level is 0 and needs no pass."""
    prunable = [group for group in groups if len(group.levels) > 1]
    total = sum(min(PASSES_PER_GROUP, len(group.levels) - 1) for group in prunable)
    measured: dict[str, Measured] = {group.name: {group.units: 0.0} for group in groups}
    wanted = [
        (group, level)
        for group in prunable
        for level in dict.fromkeys((group.levels[0], group.nearest_level(group.units / 4)))
    ]
    for done in range(total):
        group, level = wanted.pop(0) if wanted else _widest_gap(prunable, measured)
        measured[group.name][level] = divergence_of(group.name, level)
        progress(done + 1, total)
        if not wanted and _is_complete(prunable, measured):
            break
    return measured


def remembered(path: Path, divergence_of: Pass) -> Pass:
    """Return passes that keep each divergence in a file and reuse the divergences that an earlier run measured.

    The next level follows from the divergences so far, so an interrupted table resumes where it stopped.
    """
    kept: dict[str, Measured] = {}
    if path.exists():
        stored = json.loads(path.read_text(encoding="utf-8"))
        kept = {name: {int(level): value for level, value in table.items()} for name, table in stored.items()}

    def divergence(group: str, level: int) -> float:
        table = kept.setdefault(group, {})
        if level not in table:
            table[level] = divergence_of(group, level)
            with written_whole(path) as temporary:
                temporary.write_text(json.dumps(kept), encoding="utf-8")
        return table[level]

    return divergence


def harm_table(group: Group, measured: Mapping[int, float]) -> FloatArray:
    """Return the divergence of every level, interpolated between the measured ones, never rising with the level."""
    levels = sorted(measured)
    if len(levels) == 1:
        return np.zeros(1)
    values = np.maximum.accumulate(np.array([measured[level] for level in reversed(levels)]))[::-1]
    curve = PchipInterpolator(levels, np.log(values + FLOOR))
    return np.maximum.accumulate((np.exp(curve(np.array(group.levels))) - FLOOR).clip(min=0)[::-1])[::-1]


def _widest_gap(groups: Sequence[Group], measured: Mapping[str, Measured]) -> tuple[Group, int]:
    """Return the group and unmeasured level whose measured neighbours differ most."""
    best: tuple[float, Group, int] | None = None
    for group in groups:
        levels = sorted(measured[group.name])
        for low, high in pairwise(levels):
            between = [level for level in group.levels if low < level < high]
            gap = min(measured[group.name][low], RUINOUS) - min(measured[group.name][high], RUINOUS)
            if between and (best is None or gap > best[0]):
                best = gap, group, between[len(between) // 2]
    if best is None:
        raise ValueError("every level is measured already")
    return best[1], best[2]


def _is_complete(groups: Sequence[Group], measured: Mapping[str, Measured]) -> bool:
    return all(len(measured[group.name]) == len(group.levels) for group in groups)
