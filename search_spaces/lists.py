"""Lists: distributions that a person writes down, a number for every layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from search_spaces.config import ConfigError
from search_spaces.groups import Group, frozen_groups

EVERY = "*"  # all groups of a model
Entries = Mapping[str, float | Sequence[float]]


def kept_of(removed: Entries, groups: Sequence[Group]) -> dict[str, float]:
    """Return how many units of every group are kept where the named ones lose these shares, the others nothing.

    A key of `removed` is a kind of groups such as `channels`, a layer, a group, or `EVERY`; its value is one share for
    each of its groups, or a list of shares in the order of the groups. Shares are in [0, 1). Raises `ConfigError` for a
    key without a group, a list of another length, a group that is named twice, and one that cannot become smaller.
    """
    shares = _each(removed, groups)
    for group in groups:
        if shares.get(group.name) and len(group.levels) == 1:
            raise ConfigError(f"{group.name} stays dense, so nothing is removed from it; write 0 or leave it out")
    return {group.name: (1 - shares.get(group.name, 0.0)) * group.units for group in groups}


def widths_of(kept: Entries, groups: Sequence[Group]) -> dict[str, float]:
    """Return how many units of every group are kept where the named ones keep these numbers, the others all.

    Keys are those of `kept_of`. Raises `ConfigError` as it does, and for a number that a group cannot keep.
    """
    widths = _each(kept, groups)
    for group in groups:
        width = widths.get(group.name, group.units)
        if width not in group.levels:
            below = [level for level in group.levels if level < width]
            near = [*below[-1:], *(level for level in group.levels[len(below) :][:1])]
            raise ConfigError(f"{group.name} cannot keep {width:g} of its {group.units}; next to it {_either(near)}")
    return {group.name: widths.get(group.name, group.units) for group in groups}


def _each(entries: Entries, groups: Sequence[Group]) -> dict[str, float]:
    """Return the number of every group that is named."""
    found: dict[str, float] = {}
    for key, value in entries.items():
        members = _named(key, groups)
        values = [value] * len(members) if isinstance(value, int | float) else value
        if len(values) != len(members):
            names = ", ".join(group.name for group in members)
            raise ConfigError(f"{key} has {len(values)} numbers for {len(members)} groups: {names}")
        for group, each in zip(members, values, strict=True):
            if group.name in found:
                raise ConfigError(f"{key} names {group.name}, which is named before; give each group once")
            found[group.name] = each
    return found


def _named(key: str, groups: Sequence[Group]) -> list[Group]:
    of_kind = [group for group in groups if key in (EVERY, group.kind)]
    if of_kind:
        return of_kind
    names = frozen_groups(groups, [key])
    return [group for group in groups if group.name in names]


def _either(levels: Sequence[int]) -> str:
    return " or ".join(map(str, levels))
