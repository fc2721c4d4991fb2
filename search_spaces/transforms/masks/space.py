"""The mask space: points of the unit cube become masked configs, which say the schedule and every layer's count.

A scope only spreads a share over the layers. A config holds the resulting counts, and these are trained,
so its parameters are known before any training. `one-ranking` therefore ranks the weights that training begins with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Literal, TypeVar, get_args

import numpy as np
from torch import Tensor, nn

from search_spaces.config import Config, Form, Recipe
from search_spaces.distributions import SLOPES, by_kind, depth_of, with_mean
from search_spaces.groups import Group, GroupKind, config_of, dense_config
from search_spaces.transforms.masks.choose import SWAP_SHARE, TWO_OF_FOUR, magnitude_scores
from search_spaces.transforms.masks.layers import MaskError, maskable_layers
from search_spaces.transforms.masks.schedules.table import SCHEDULES, SWAPPING, TRAINED_FIRST, ScheduleName
from search_spaces.transforms.masks.target import ScopeName, Target, pruned_names

Choice = TypeVar("Choice")
SpreadName = ScopeName | Literal["2:4"]

PATTERN: SpreadName = "2:4"  # its share is a half and its schedule one-shot, for any other coordinates
ONE_SHOT: ScheduleName = "post-training"
SHARES = (0.02, 0.9)  # of a layer's units that are kept, on a logarithmic axis: each halving takes an equal stretch
SWAP_SHARES = (0.05, 0.5)
SHARE_AXES = ("linear_share", "convolution_share")
SCHEDULE_NAMES = tuple(SCHEDULES)


class MaskSpace:
    """The masked configs of one network. `groups` are those of its layers, some perhaps with a single level."""

    def __init__(self, groups: Sequence[Group], *, initial: nn.Module, trained: nn.Module) -> None:
        self.groups = tuple(groups)
        self._layers, self._initial = maskable_layers(trained), maskable_layers(initial)
        self.scopes = (*_different_scopes(self._layers), *([PATTERN] if self._patterned else []))

    @cached_property
    def dimensions(self) -> tuple[str, ...]:
        """The axes of the cube; that of convolutions only where there are some."""
        has_filters = any(group.kind == GroupKind.FILTERS for group in self.groups)
        return ("schedule", "scope", "swap_share", "slope", *SHARE_AXES[: 1 + has_filters])

    @property
    def dense(self) -> Config:
        """The config that masks nothing."""
        return dense_config(self.groups)

    def config(self, point: Sequence[float]) -> Config:
        """Return the config at a point of the cube: `dense` where the frozen layers leave nothing to mask."""
        at = dict(zip(self.dimensions, point, strict=True))
        scope = _pick(self.scopes, at["scope"])
        schedule = ONE_SHOT if scope == PATTERN else _pick(SCHEDULE_NAMES, at["schedule"])
        swapped = round(_linear(at["swap_share"], *SWAP_SHARES), 2) if schedule in SWAPPING else None
        kept = config_of(self.groups, self._wished(scope, schedule, at), Form.MASKED)
        if kept.kept == self.dense.kept:
            return self.dense
        return replace(kept, recipe=Recipe(schedule=schedule, scope=scope, swap_share=swapped))

    def point(self, schedule: ScheduleName, scope: SpreadName, share: float) -> tuple[float, ...]:
        """Return the point of a schedule and scope that keeps `share` everywhere, no slope, the published swaps."""
        place = _unlogarithmic(share, *SHARES)
        at = {
            "schedule": (SCHEDULE_NAMES.index(schedule) + 0.5) / len(SCHEDULE_NAMES),
            "scope": (self.scopes.index(scope) + 0.5) / len(self.scopes),
            "swap_share": (SWAP_SHARE - SWAP_SHARES[0]) / (SWAP_SHARES[1] - SWAP_SHARES[0]),
            "slope": 0.5,
            **dict.fromkeys(SHARE_AXES, place),
        }
        return tuple(at[name] for name in self.dimensions)

    def thinned(self, point: Sequence[float], scale: float) -> tuple[float, ...]:
        """Return the point with its shares moved towards the lowest by a factor in [0, 1]."""
        named = zip(self.dimensions, point, strict=True)
        return tuple(place * scale if name in SHARE_AXES else place for name, place in named)

    def _wished(self, scope: SpreadName, schedule: ScheduleName, at: Mapping[str, float]) -> dict[str, float]:
        """Return how many units of every layer a scope would keep."""
        linear, convolution = (_logarithmic(at.get(axis, at[SHARE_AXES[0]]), *SHARES) for axis in SHARE_AXES)
        if scope == "2:4":
            n, m = TWO_OF_FOUR
            return {g.name: g.units * n / m if g.name in self._patterned else g.units for g in self.groups}
        if scope == "per-layer":
            return self._tilted(linear, convolution, _linear(at["slope"], *SLOPES))
        target = Target(scope=scope, ratio=1 - linear, convolution_ratio=1 - convolution)
        start = self._trained_scores if schedule in TRAINED_FIRST else self._initial_scores
        removed = target.counts(self._layers, start if scope == "one-ranking" else {})
        return {group.name: group.units - removed[group.name] for group in self.groups}

    def _tilted(self, linear: float, convolution: float, slope: float) -> dict[str, float]:
        """Return the shares of each kind of layer tilted over depth, their mean unchanged."""
        wished: dict[str, float] = {}
        for kind, members in by_kind(self.groups).items():
            share = convolution if kind == GroupKind.FILTERS else linear
            shares = with_mean(share + slope * depth_of(members), share)
            wished |= {group.name: each * group.units for group, each in zip(members, shares, strict=True)}
        return wished

    @cached_property
    def _patterned(self) -> frozenset[str]:
        """The linear layers whose inputs come in multiples of M."""
        _, m = TWO_OF_FOUR
        linears = {name: layer for name, layer in self._layers.items() if isinstance(layer, nn.Linear)}
        return frozenset(name for name, layer in linears.items() if layer.in_features % m == 0)

    @cached_property
    def _trained_scores(self) -> dict[str, Tensor]:
        return magnitude_scores(self._layers)

    @cached_property
    def _initial_scores(self) -> dict[str, Tensor]:
        return magnitude_scores(self._initial)


def _different_scopes(layers: Mapping[str, nn.Linear | nn.Conv2d]) -> list[ScopeName]:
    """Return the scopes that fit a network; of those that prune the same layers in the same way, only the first."""
    found: dict[object, ScopeName] = {}
    for scope in get_args(ScopeName):
        is_of_its_own = scope in ("one-ranking", "erdos-renyi", "per-layer")
        try:
            found.setdefault(scope if is_of_its_own else tuple(pruned_names(layers, scope)), scope)
        except MaskError:  # it leaves no layer of this network
            continue
    return list(found.values())


def _pick(choices: Sequence[Choice], place: float) -> Choice:
    """Return the choice whose equal part of [0, 1] contains a coordinate."""
    return choices[min(int(place * len(choices)), len(choices) - 1)]


def _linear(place: float, low: float, high: float) -> float:
    return low + place * (high - low)


def _logarithmic(place: float, low: float, high: float) -> float:
    return float(low * (high / low) ** place)


def _unlogarithmic(value: float, low: float, high: float) -> float:
    return float(np.log(value / low) / np.log(high / low))
