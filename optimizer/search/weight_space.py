"""The space of a study of masked weights: the mask space with its costs and limits, and the ladder over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optimizer.costs.costs import Cost
from search_spaces.config import Config
from search_spaces.transforms.masks.schedules.table import ScheduleName
from search_spaces.transforms.masks.space import ONE_SHOT, PATTERN, MaskSpace, SpreadName
from studies.records import Origin, Proposal

LADDER_SHARE = 3  # at most a third of the candidates
KEPT = (0.3, 0.1, 0.5, 0.2, 0.05)  # the middle first: a short ladder is cut here
PUBLISHED: Mapping[ScheduleName, SpreadName] = {
    "post-training": "uniform",
    "gradual": "uniform",
    "imp": "one-ranking",
    "set": "erdos-renyi",
    "in-training": "uniform",
    "pre-training": "uniform",
}
"""The schedules with the scope that each was published with, cheapest to train first."""


@dataclass(frozen=True)
class WeightSpace:
    """What can be proposed: a `SearchSpace`. `costs` hold "parameters" and "size", known before training."""

    masks: MaskSpace
    costs: Mapping[str, Cost]
    limits: Mapping[str, float]

    yardstick = "parameters"

    @property
    def dense(self) -> Config:
        """The config that masks nothing: the baseline, never a proposal."""
        return self.masks.dense

    @property
    def dimensions(self) -> int:
        """The number of axes of the cube."""
        return len(self.masks.dimensions)

    def at_point(self, point: Sequence[float]) -> Config:
        """Return the config at a point of the mask space, its shares drawn down until the limits hold."""
        config, scale = self.masks.config(point), 1.0
        while not self.within_limits(config) and scale > 0:
            scale = max(0.0, scale - 0.05)
            config = self.masks.config(self.masks.thinned(point, scale))
        return config

    def within_limits(self, config: Config) -> bool:
        """Whether every limit holds."""
        return all(self.costs[cost].ratio(config) <= limit for cost, limit in self.limits.items())

    def ladder(self, trials: int) -> list[Proposal]:
        """Return the seeds: every schedule with its published scope at a few shares, and the one-shot pattern."""
        masks = self.masks
        points = [masks.point(schedule, scope, kept) for kept in KEPT for schedule, scope in PUBLISHED.items()]
        if PATTERN in masks.scopes:
            points.insert(len(PUBLISHED), masks.point(ONE_SHOT, PATTERN, KEPT[0]))
        seeds = [Proposal(config=masks.config(p), origin=Origin.LADDER, coordinates=p) for p in points]
        allowed = {p.config: p for p in reversed(seeds) if p.config != self.dense and self.within_limits(p.config)}
        return list(reversed(allowed.values()))[: max(1, trials // LADDER_SHARE)]
