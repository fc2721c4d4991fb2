"""The joint space: configs of several transforms whose groups' costs multiply within blocks of the model.

A point says how to allocate: how much harm, in which mixture of the costs that steer, and how far the tables are
trusted for each further transform and over the depth. Its config is the cheapest selection of one combination per
block that is predicted to harm no more.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from optimizer.search.space import ALLOWANCES, BISECTIONS, Space
from search_spaces.allocation import Allocation, FloatArray
from search_spaces.blocks import Block
from search_spaces.combinations import Correction, Prices, mixed
from search_spaces.config import Config
from search_spaces.distributions import depth_of
from search_spaces.groups import by_transform, config_of
from search_spaces.moves import Move, moves
from search_spaces.priced import PricedBlock

RESOLUTION = 2_000  # steps of the dense cost in an allocation over blocks, which have more choices than groups
HARMS = (1.0, 3e-3)  # predicted harm of the points at the two ends of the first axis
DOUBT = 8.0  # times by which the harms of a transform, or of the last layer, are raised or lowered at most
KEPT = 2  # tilts that are remembered beside those of single costs: a point is drawn along neighbouring ones
DRAWS = 5  # steps in which a point is drawn towards the limits
LEAST = 0.05  # weight of any cost: without one, what costs nothing else is never given up, however little it harms
MIDDLE = 0.5  # of an axis of trust: the tables as they are


@dataclass(frozen=True, slots=True, kw_only=True)
class Tilt:
    """How an allocation sees the tables.

    `weights` are those of the costs that steer and add up to 1, `trust` holds a factor on the harms of each further
    transform, and `slope` is the factor on the harms of the last layer beside the middle one.
    """

    weights: tuple[float, ...]
    trust: tuple[float, ...]
    slope: float = 1.0


@dataclass(frozen=True)
class Seen:
    """The blocks of a model under a tilt."""

    blocks: tuple[PricedBlock, ...]

    @cached_property
    def allocation(self) -> Allocation:
        """The allocation over the blocks."""
        return Allocation([block.choices for block in self.blocks], resolution=RESOLUTION)


@dataclass(frozen=True, kw_only=True)
class JointSpace(Space):
    """A space of several transforms.

    `steering` are the costs that the study names, by which fronts are judged. `prices` hold those of every block by the
    names of costs, `corrections` that of every block's harms.
    """

    blocks: Sequence[Block]
    prices: Mapping[str, Sequence[Prices]]
    corrections: Sequence[Correction]
    steering: tuple[str, ...] = ()
    _seen: OrderedDict[Tilt, Seen] = field(default_factory=OrderedDict, init=False, repr=False, compare=False)

    @property
    def dimensions(self) -> int:
        """The number of axes: harm, mixture, trust in each further transform, slope."""
        return len(self.steering) + len(self._further) + 1

    @cached_property
    def even(self) -> Tilt:
        """The tables as they are, and the mean of the costs that steer."""
        return self._tilt(dict.fromkeys(self.steering, 1 / len(self.steering)))

    @property
    def allocation(self) -> Allocation:
        """The allocation of the mean of the costs that steer over all blocks."""
        return self.seen(self.even).allocation

    def seen(self, tilt: Tilt) -> Seen:
        """Return the blocks and their allocation under a tilt, costs as shares of the dense model's."""
        if tilt not in self._seen:
            self._seen[tilt] = Seen(tuple(self._priced(tilt)))
        self._seen.move_to_end(tilt)
        while len(self._seen) > KEPT + len(self.steering):
            self._seen.popitem(last=False)
        return self._seen[tilt]

    def harming(self, harm: float, tilt: Tilt) -> Config:
        """Return the cheapest config that is predicted to harm at most so much."""
        return self.merged(config_of(self.groups, self.seen(tilt).allocation.harming(harm), self.form))

    def optimal(self, ratio: float, by: str = "") -> Config:
        """Return the least harmful config of at most `ratio` of a cost, by default of the mean of those that steer.

        Where costs add up over blocks that is exact. Where they do not, the tables order the choices and the whole
        config is priced.
        """
        allocation = self.seen(self.of(by)).allocation
        low, high = float(allocation.costs.min()), float(allocation.costs.max())
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            found = config_of(self.groups, allocation.within(middle), self.form)
            low, high = (middle, high) if self._ratio_of(found, by) <= ratio else (low, middle)
        return self.merged(config_of(self.groups, allocation.within(low), self.form))

    def of(self, cost: str) -> Tilt:
        """Return the tilt of one cost above all others; of one that does not steer, the even one."""
        return self._tilt({cost: 1.0}) if cost in self.steering else self.even

    def at_point(self, point: Sequence[float]) -> Config:
        """Return the config at a point of the cube, drawn towards more harm and all costs until the limits hold."""
        for draw in range(DRAWS + 1):
            config = self._drawn(point, draw / DRAWS)
            if self.within_limits(config):
                break
        return config

    def point(self, harm: float, tilt: Tilt) -> tuple[float, ...]:
        """Return the point at which an allocation without doubt harms so much."""
        left, mixture = 1.0, []
        for weight in _alone(tilt.weights)[:-1]:
            mixture.append(weight / left if left > 0 else 0.0)
            left -= weight
        unit = math.log(harm / HARMS[0]) / math.log(HARMS[1] / HARMS[0])
        return tuple(float(np.clip(each, 0, 1)) for each in (unit, *mixture, *(MIDDLE for _ in self._further), MIDDLE))

    def moves(self, config: Config, turn: int) -> list[Move]:
        """Return the neighbours of a config, least predicted harm first, by the cost and allowance whose turn it is."""
        cost = self.steering[turn // len(ALLOWANCES) % len(self.steering)]
        levels = config.levels
        steps = [step for block in self.seen(self.of(cost)).blocks for step in block.steps(levels)]
        return moves(config, steps, allowance=ALLOWANCES[turn % len(ALLOWANCES)])

    @cached_property
    def _further(self) -> list[str]:
        """The transforms behind the first."""
        return [*by_transform(self.groups)][1:]

    def _tilt(self, weights: Mapping[str, float]) -> Tilt:
        each = [weights.get(name, 0.0) for name in self.steering]
        return Tilt(weights=_blended(each), trust=tuple(1.0 for _ in self._further))

    def _priced(self, tilt: Tilt) -> Iterator[PricedBlock]:
        shares = [(w / self.costs[name].dense, name) for w, name in zip(tilt.weights, self.steering, strict=True)]
        harms = self._tilted(tilt)
        for at, (block, correction) in enumerate(zip(self.blocks, self.corrections, strict=True)):
            prices = mixed([(share, self.prices[name][at]) for share, name in shares])
            yield PricedBlock(block, prices, harms, correction)

    def _tilted(self, tilt: Tilt) -> dict[str, FloatArray]:
        trust = dict(zip(self._further, tilt.trust, strict=True))
        depth = depth_of(self.groups)
        factors = [
            trust.get(group.under, 1.0) * tilt.slope**place for group, place in zip(self.groups, depth, strict=True)
        ]
        return {g.name: self.harms[g.name] * factor for g, factor in zip(self.groups, factors, strict=True)}

    def _drawn(self, point: Sequence[float], drawn: float) -> Config:
        harm, *others = point
        mixture, doubts = others[: len(self.steering) - 1], others[len(self.steering) - 1 :]
        weights = [weight + drawn * (1 / len(self.steering) - weight) for weight in _broken(mixture)]
        *trust, slope = (DOUBT ** (2 * each - 1) for each in doubts)
        most = HARMS[0] * (HARMS[1] / HARMS[0]) ** harm
        tilt = Tilt(weights=_blended(weights), trust=tuple(trust), slope=slope)
        highest = float(self.seen(tilt).allocation.harms[0])
        most *= (max(highest, most) / most) ** drawn
        return self.harming(most, tilt)

    def _ratio_of(self, config: Config, by: str) -> float:
        names = [by] if by else self.steering
        return sum(self.costs[name].ratio(config) for name in names) / len(names)


def _broken(shares: Sequence[float]) -> list[float]:
    """Return weights that add up to 1, each a share of what those before it left."""
    left, weights = 1.0, []
    for share in shares:
        weights.append(left * share)
        left -= weights[-1]
    return [*weights, left]


def _blended(weights: Sequence[float]) -> tuple[float, ...]:
    """Return the weights with `LEAST` at least for each cost; they still add up to 1."""
    return tuple(LEAST + (1 - len(weights) * LEAST) * weight for weight in weights)


def _alone(blended: Sequence[float]) -> list[float]:
    """Return the weights of which these are the blend."""
    return [(weight - LEAST) / (1 - len(blended) * LEAST) for weight in blended]
