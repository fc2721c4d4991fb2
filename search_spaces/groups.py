"""Groups: what can be pruned together, and every layer that must follow.

A group is described by names and sizes only, so that proposals, costs and tables never need the model itself.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from search_spaces.config import Config, ConfigError, Form

NEURON_LEVELS = 24  # levels of an FFN; finer ones change neither accuracy nor speed measurably
CHANNEL_LEVELS = 32  # most levels of a group of channels
MASK_LEVELS = 1000  # of a masked layer: a thousandth of its weights is finer than any search tells apart
NEURON_MULTIPLE = 8  # kernels work in blocks: a width between multiples of 8 is slower than the next multiple


class GroupKind(StrEnum):
    """What the units of a group are."""

    HEADS = "heads"
    NEURONS = "neurons"
    CHANNELS = "channels"
    WEIGHTS = "weights"  # single connections of a linear layer, masked
    FILTERS = "filters"  # whole filters of a convolution, masked
    RANK = "rank"  # numbers between the two layers that a linear layer or convolution is split into
    TABLE_RANK = "embedding rank"  # the same of an embedding
    BITS = "bits"  # of the weights of layers that read one tensor
    TABLE_BITS = "embedding bits"  # of an embedding


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Units that are kept or removed together.

    `producers` are the linear layers whose output rows belong to the units, `consumers` those whose input columns do;
    both are module paths in the model. `owners` are the layout's groups that the layers of another transform's group
    belong to: freezing one of these freezes that, too. A unit owns `unit_size` consecutive rows and
    columns. `levels` are the counts that may be kept, ascending, from 0 (the block is gone) to `units` (dense). `under`
    is the transform that offers the group, empty for the first one of a study, whose levels are a config's `kept`.
    """

    name: str
    kind: str
    layer: int
    units: int
    unit_size: int
    levels: tuple[int, ...]
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    under: str = ""
    owners: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.levels != tuple(sorted(set(self.levels))) or self.levels[-1] != self.units:
            raise ValueError(f"levels of {self.name!r} must ascend and end dense, got {self.levels}")

    def nearest_level(self, kept: float) -> int:
        """Return the level nearest to `kept` units; of two equally near ones the larger."""
        above = bisect(self.levels, kept)
        near = self.levels[min(above, len(self.levels) - 1)], self.levels[max(above - 1, 0)]
        return min(near, key=lambda level: abs(level - kept))


def neuron_levels(units: int) -> tuple[int, ...]:
    """Return about `NEURON_LEVELS` equally spaced widths of an FFN of `units` neurons, 0 and dense included."""
    step = -(-units // (NEURON_LEVELS * NEURON_MULTIPLE)) * NEURON_MULTIPLE
    return (*range(0, units, step), units)


def channel_levels(units: int, round_to: int) -> tuple[int, ...]:
    """Return the widths of a group of `units` channels: at most `CHANNEL_LEVELS` multiples of `round_to`, and dense.

    Never 0: a network without the channels of a layer has no path left. Raises `ConfigError` for `round_to` below 1.
    """
    if round_to < 1:
        raise ConfigError(f"round_to: at least 1, got {round_to}")
    step = -(-units // (CHANNEL_LEVELS * round_to)) * round_to
    return (*range(step, units, step), units)


def mask_levels(units: int) -> tuple[int, ...]:
    """Return the counts that a mask over `units` may keep: about `MASK_LEVELS`, exactly half and all included.

    Never 0: a network without the weights of a layer has no path left. Half is what N:M patterns keep.
    """
    step = -(-units // MASK_LEVELS)
    return tuple(sorted({*range(step, units, step), max(1, units // 2), units}))


def dense_config(groups: Sequence[Group]) -> Config:
    """Return the config that keeps every unit."""
    return config_of(groups, {group.name: group.units for group in groups})


def check_config(config: Config, groups: Sequence[Group]) -> None:
    """Raise `ConfigError` unless `config` names exactly these groups, each at one of its levels."""
    found = {"": dict(config.kept), **config.transforms}
    wanted = {"": {}, **{under: {g.name: g for g in members} for under, members in by_transform(groups).items()}}
    if [(under, [*levels]) for under, levels in found.items()] != [(u, [*members]) for u, members in wanted.items()]:
        differing = {*config.levels} ^ {group.name for group in groups} or {*config.levels}
        raise ConfigError(f"the config names groups {sorted(differing)} that do not match the model's")
    levels = config.levels
    for group in groups:
        if levels[group.name] not in group.levels:
            raise ConfigError(f"{group.name!r} cannot keep {levels[group.name]} units; its levels are {group.levels}")


def config_of(groups: Sequence[Group], wished: Mapping[str, float], form: Form = Form.RECONSTRUCTED) -> Config:
    """Return the config whose levels are nearest to the wished ones, in the order of the groups."""
    levels = {
        under: tuple((group.name, group.nearest_level(wished[group.name])) for group in members)
        for under, members in by_transform(groups).items()
    }
    return Config(levels.pop("", ()), form, more=tuple(levels.items()))


def by_transform(groups: Sequence[Group]) -> dict[str, list[Group]]:
    """Return the groups by the transform that offers them, in order; the first one's name is empty."""
    offered: dict[str, list[Group]] = {}
    for group in groups:
        offered.setdefault(group.under, []).append(group)
    return offered


def frozen_groups(groups: Sequence[Group], keep: Sequence[str]) -> frozenset[str]:
    """Return the names of the groups that `keep` freezes: a group's name, or `layer.N` for all groups of a layer.

    The path of a layer that produces a group's units, or of a module around it, serves as well.
    Raises `ConfigError` for an entry that matches no group.
    """
    frozen: set[str] = set()
    for entry in keep:
        matched = {
            group.name
            for group in groups
            if any(f"{path}.".startswith(f"{entry}.") for path in (group.name, *group.producers, *group.owners))
        }
        if not matched:
            raise ConfigError(f"no layer or group is called {entry!r}; there are {', '.join(g.name for g in groups)}")
        frozen |= matched
    return frozenset(frozen)


def freeze(groups: Sequence[Group], frozen: frozenset[str]) -> tuple[Group, ...]:
    """Return the groups with those of `frozen` left one level, the dense one."""
    return tuple(replace(g, levels=(g.units,)) if g.name in frozen else g for g in groups)
