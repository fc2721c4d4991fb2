"""Distributions: few numbers that say how much every group keeps.

The five classic ones (Pachon et al. 2025, "Pruning Distributions") tilt a ratio over the depth of the model. The
tempered one blends the uniform ratio with the allocation by sensitivity: at a hundred candidates a sampler finds more
in its four numbers than in one integer per group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

import numpy as np

from search_spaces.allocation import Allocation, FloatArray
from search_spaces.config import Config, Form
from search_spaces.groups import Group, config_of

LOWEST_RATIO = 0.05  # of the units of a kind; the raw layer space reaches further down
TEMPERATURES = (0.0, 1.5)  # 0 is uniform, 1 the allocation by sensitivity, above 1 exaggerates it
SLOPES = (-0.4, 0.4)  # difference in kept share between the last and the middle layer
LEAST_RATIOS = 2  # axes; a space of one kind ignores the second, so that points stored of it keep their meaning


class Classic(StrEnum):
    """The five pruning distributions: which layers are pruned more."""

    UNIFORM = "PD1"
    BOTTOM_UP = "PD2"  # lightly in the first layers, more in the deeper ones
    TOP_DOWN = "PD3"  # more in the first layers
    MIDDLE = "PD4"  # lightly in the first and last layers
    ENDS = "PD5"  # more in the first and last layers


def classic(groups: Sequence[Group], ratio: float, distribution: Classic, form: Form) -> Config:
    """Return the config that keeps `ratio` of each kind's units, tilted over depth by a classic distribution."""
    kept: dict[str, float] = {}
    for members in by_kind(groups).values():
        depth = depth_of(members)
        tilt = {
            Classic.UNIFORM: 0 * depth,
            Classic.BOTTOM_UP: -depth,
            Classic.TOP_DOWN: depth,
            Classic.MIDDLE: 2 * np.abs(depth) - 1,
            Classic.ENDS: 1 - 2 * np.abs(depth),
        }[distribution]
        shares = with_mean(ratio + min(ratio, 1 - ratio) * 0.8 * tilt, ratio)
        kept |= {group.name: share * group.units for group, share in zip(members, shares, strict=True)}
    return config_of(groups, kept, form)


class TemperedSpace:
    """The distribution space: points of the unit cube become configs.

    Its axes are one ratio per kind of group in their order, temperature and slope. `allocations` holds, for each kind,
    the allocation over that kind alone.
    """

    def __init__(self, groups: Sequence[Group], allocations: Mapping[str, Allocation], form: Form) -> None:
        self._groups, self._allocations, self._form = tuple(groups), allocations, form

    @property
    def dimensions(self) -> int:
        """The number of axes."""
        return max(LEAST_RATIOS, len(self._allocations)) + 2

    def drawn(self, point: Sequence[float], scale: float) -> tuple[float, ...]:
        """Return the point with its ratios drawn towards the lowest by a factor in [0, 1]."""
        return (*(ratio * scale for ratio in point[:-2]), *point[-2:])

    def config(self, point: Sequence[float]) -> Config:
        """Return the config at a point of `[0, 1]^dimensions`."""
        *ratios, temperature, slope = point
        kept: dict[str, float] = {}
        for members, unit in zip(by_kind(self._groups).values(), ratios, strict=False):
            ratio = _scaled(unit, LOWEST_RATIO, 1.0)
            wished = self._shares(members, ratio, _scaled(temperature, *TEMPERATURES), _scaled(slope, *SLOPES))
            kept |= {group.name: share * group.units for group, share in zip(members, wished, strict=True)}
        return config_of(self._groups, kept, self._form)

    def point(self, config: Config, *, temperature: float) -> tuple[float, ...]:
        """Return the point, of this temperature and no slope, with the config's own ratios of units of each kind."""
        kept = config.levels
        ratios = [
            sum(kept[group.name] for group in members) / sum(group.units for group in members)
            for members in by_kind(self._groups).values()
        ]
        ratios += [1.0] * (self.dimensions - 2 - len(ratios))
        unit = [*((ratio, LOWEST_RATIO, 1.0) for ratio in ratios), (temperature, *TEMPERATURES), (0.0, *SLOPES)]
        return tuple(float(np.clip((value - low) / (high - low), 0, 1)) for value, low, high in unit)

    def _shares(self, members: Sequence[Group], ratio: float, temperature: float, slope: float) -> FloatArray:
        allocation = self._allocations[members[0].kind]
        chosen = allocation.within(ratio * float(allocation.costs[-1]))
        optimal = np.array([chosen[group.name] / group.units for group in members])
        return with_mean(ratio + temperature * (optimal - ratio) + slope * depth_of(members), ratio)


def with_mean(shares: FloatArray, mean: float) -> FloatArray:
    """Return the shares shifted by one number and cut to [0, 1] so that their mean is `mean`: `(n,)` -> `(n,)`."""
    low, high = -float(shares.max()), 1 - float(shares.min())
    for _ in range(50):  # bisection: the mean of the cut shares does not fall as the shift grows
        shift = (low + high) / 2
        cut = np.minimum(np.maximum(shares + shift, 0.0), 1.0)  # `clip` and `mean` take nearly twice as long
        low, high = (shift, high) if np.add.reduce(cut) / len(cut) < mean else (low, shift)
    return np.clip(shares + high, 0, 1)


def by_kind(groups: Sequence[Group]) -> dict[str, list[Group]]:
    """Return the groups of each kind in order."""
    kinds: dict[str, list[Group]] = {}
    for group in groups:
        kinds.setdefault(group.kind, []).append(group)
    return kinds


def depth_of(groups: Sequence[Group]) -> FloatArray:
    """Return each group's place between the first (-1) and the last (+1) layer: `(n,)`."""
    layers = np.array([group.layer for group in groups], dtype=np.float64)
    span = layers.max() - layers.min()
    return np.zeros(len(groups)) if span == 0 else 2 * (layers - layers.min()) / span - 1


def _scaled(unit: float, low: float, high: float) -> float:
    return low + unit * (high - low)
