"""Moves in the raw layer space: one block gives something up, another takes what that pays for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search_spaces.allocation import Table
from search_spaces.config import Config
from search_spaces.groups import Group

REACH = 3  # levels that one group may move at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Other levels of one block, and the changes of cost and harm that the tables predict."""

    block: str
    levels: Mapping[str, int]
    cost: float
    harm: float


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


def moves(config: Config, steps: Sequence[Step], *, allowance: float) -> list[Move]:
    """Return the neighbours of `config` whose cost changes by at most `allowance`, least predicted harm first.

    A neighbour takes one of the steps from `config`, or two of different blocks and in opposite directions. Equal
    predictions keep the order of the steps, so the list is the same in every process.
    """
    singles = [Move(config, step.levels, step.cost, step.harm) for step in steps]
    pairs = [
        Move(config, {**down.levels, **up.levels}, down.cost + up.cost, down.harm + up.harm)
        for down in steps
        if down.cost < 0
        for up in steps
        if up.cost > 0 and up.block != down.block and down.cost + up.cost <= allowance
    ]
    return sorted((move for move in singles + pairs if move.cost <= allowance), key=lambda move: move.harm)


def steps_from(config: Config, groups: Sequence[Group], tables: Mapping[str, Table]) -> list[Step]:
    """Return the steps of groups that are blocks of their own: up to `REACH` levels each way."""
    levels = config.levels
    return [step for group in groups for step in _steps(group, tables[group.name], levels[group.name])]


def near(at: int, size: int) -> list[int]:
    """Return the places within `REACH` of one, without itself."""
    return [i for i in range(max(0, at - REACH), min(size, at + REACH + 1)) if i != at]


def _steps(group: Group, table: Table, level: int) -> list[Step]:
    at = group.levels.index(level)
    return [
        Step(
            block=group.name,
            levels={group.name: group.levels[i]},
            cost=float(table.cost[i] - table.cost[at]),
            harm=float(table.harm[i] - table.harm[at]),
        )
        for i in near(at, len(group.levels))
    ]
