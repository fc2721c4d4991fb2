"""The space of a study: what it can propose, and that of units, whose levels have a cost and a harm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from optimizer.costs.costs import Cost
from search_spaces.allocation import Allocation, FloatArray, Table
from search_spaces.config import Config, Form
from search_spaces.distributions import TemperedSpace, by_kind
from search_spaces.groups import Group, config_of, dense_config
from search_spaces.moves import Move, moves, steps_from

REACH_STEP = 1e-4  # of the dense model's cost
ALLOWANCES = (0.0, -0.02, -0.04)  # change of the cost, of the dense model's, that moves take in turn
BISECTIONS = 40  # of a budget: down to one part in a million million


class SearchSpace(Protocol):
    """What the search needs from a space of configs of any kind."""

    @property
    def costs(self) -> Mapping[str, Cost]:
        """The costs that are known before a model is made."""

    @property
    def limits(self) -> Mapping[str, float]:
        """Upper cost ratios that no proposal may exceed."""

    @property
    def yardstick(self) -> str:
        """The cost by which candidates are spread over the shortlist."""

    @property
    def dense(self) -> Config:
        """The config that removes nothing: the baseline, never a proposal."""

    @property
    def dimensions(self) -> int:
        """The number of axes of the cube that points come from."""

    def at_point(self, point: Sequence[float]) -> Config:
        """Return the config at a point of the cube, within the limits where one can be found near it."""

    def within_limits(self, config: Config) -> bool:
        """Whether every limit that can be known in advance holds."""


@dataclass(frozen=True)
class Space:
    """The space of levels of groups. `costs` hold at least "flops"; `harms` come from the sensitivities.

    `limits` are upper cost ratios that no proposal may exceed. `merged` returns the one config of those that build the
    same model.
    """

    groups: Sequence[Group]
    form: Form
    costs: Mapping[str, Cost]
    harms: Mapping[str, FloatArray]
    limits: Mapping[str, float]
    merged: Callable[[Config], Config] = lambda config: config

    @property
    def yardstick(self) -> str:
        """The cost by which levels are compared: bit operations where there are fewer bits, which save no FLOPs."""
        return "bit_operations" if "bit_operations" in self.costs else "flops"

    @property
    def steering(self) -> tuple[str, ...]:
        """The costs by which fronts are judged during the search."""
        return (self.yardstick,)

    @property
    def dimensions(self) -> int:
        """The number of axes of the distribution space."""
        return self.tempered.dimensions

    @cached_property
    def dense(self) -> Config:
        """The config that removes nothing: the baseline, never a proposal."""
        return dense_config(self.groups).in_form(self.form)

    @cached_property
    def tables(self) -> Mapping[str, Table]:
        """Cost, on the yardstick, and harm of every level of every group."""
        cost = self.costs[self.yardstick]
        return {g.name: Table(cost=cost.of_levels(g), harm=self.harms[g.name]) for g in self.groups}

    @cached_property
    def allocation(self) -> Allocation:
        """The exact allocation of the yardstick over all groups."""
        return Allocation.over(self.groups, self.tables)

    @cached_property
    def tempered(self) -> TemperedSpace:
        """The distribution space."""
        members = by_kind(self.groups)
        return TemperedSpace(
            self.groups, {kind: Allocation.over(groups, self.tables) for kind, groups in members.items()}, self.form
        )

    def optimal(self, ratio: float, by: str = "") -> Config:
        """Return the least harmful config of at most `ratio` of the dense model's cost, of the yardstick by default.

        Where that adds up over groups it is exact. Where it does not, as of a convolution whose inputs and outputs
        both shrink, and for the cost named in `by`, the tables order the choices and the whole config is priced.
        """
        low, high = float(self.allocation.costs.min()), float(self.allocation.costs.max())
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._ratio(middle, by or self.yardstick) <= ratio else (low, middle)
        return self.merged(config_of(self.groups, self.allocation.within(low), self.form))

    def reach(self, by: str = "") -> float:
        """Return the largest share of a cost whose least harmful config is within the limits; 1 without limits.

        The cost is that of the yardstick by default.
        """
        low, high = (0.0, 1.0) if self.limits else (1.0, 1.0)
        while high - low > REACH_STEP:
            middle = (low + high) / 2
            low, high = (middle, high) if self.within_limits(self.optimal(middle, by)) else (low, middle)
        return low

    def _ratio(self, budget: float, by: str) -> float:
        return self.costs[by or self.yardstick].ratio(config_of(self.groups, self.allocation.within(budget), self.form))

    def at_point(self, point: Sequence[float]) -> Config:
        """Return the config at a point of the distribution space, drawn towards zero until the limits hold."""
        config, scale = self.tempered.config(point), 1.0
        while not self.within_limits(config) and scale > 0:
            scale = max(0.0, scale - 0.05)
            config = self.tempered.config(self.tempered.drawn(point, scale))
        return self.merged(config)

    def moves(self, config: Config, turn: int) -> list[Move]:
        """Return the neighbours of a config, least predicted harm first, of the allowance whose turn it is."""
        allowance = ALLOWANCES[turn % len(ALLOWANCES)] * self.costs[self.yardstick].dense
        return moves(config, steps_from(config, self.groups, self.tables), allowance=allowance)

    def within_limits(self, config: Config) -> bool:
        """Whether every limit that can be known in advance holds."""
        return all(self.costs[cost].ratio(config) <= limit for cost, limit in self.limits.items() if cost in self.costs)
