"""Moves in the raw layer space: one group gives units up, another takes what that pays for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search_spaces.allocation import Table
from search_spaces.config import Config
from search_spaces.groups import Group

REACH = 3  # levels that one group may move at once


@dataclass(frozen=True, slots=True)
class Move:
    """A neighbour of `base`: the levels that differ, and the changes of cost and harm that the tables predict."""

    base: Config
    levels: Mapping[str, int]
    cost: float
    harm: float

    @property
    def config(self) -> Config:
        """The neighbouring config, made when it is asked for: of tens of thousands few are."""
        return self.base.replaced(self.levels)


def moves(config: Config, groups: Sequence[Group], tables: Mapping[str, Table], *, allowance: float) -> list[Move]:
    """Return the neighbours of `config` whose cost changes by at most `allowance`, least predicted harm first.

    A neighbour moves one group, or two in opposite directions, by up to `REACH` levels each. Equal predictions keep
    the order of the groups, so the list is the same in every process.
    """
    levels = config.levels
    steps = [step for group in groups for step in _steps(levels[group.name], group, tables[group.name])]
    singles = [Move(config, {name: level}, cost, harm) for name, level, cost, harm in steps]
    pairs = [
        Move(config, {down[0]: down[1], up[0]: up[1]}, down[2] + up[2], down[3] + up[3])
        for down in steps
        if down[2] < 0
        for up in steps
        if up[2] > 0 and up[0] != down[0] and down[2] + up[2] <= allowance
    ]
    return sorted((move for move in singles + pairs if move.cost <= allowance), key=lambda move: move.harm)


def _steps(level: int, group: Group, table: Table) -> list[tuple[str, int, float, float]]:
    at = group.levels.index(level)
    near = range(max(0, at - REACH), min(len(group.levels), at + REACH + 1))
    return [
        (group.name, group.levels[i], float(table.cost[i] - table.cost[at]), float(table.harm[i] - table.harm[at]))
        for i in near
        if i != at
    ]
