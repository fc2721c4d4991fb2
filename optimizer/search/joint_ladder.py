"""The ladder of a joint space: allocations at several harms in every mixture of costs, and each transform alone.

What one transform does alone at one level, such as 8 bits everywhere, is what a careful person would try first.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from optimizer.search.joint import HARMS, JointSpace
from optimizer.search.ladder import SHARE
from search_spaces.groups import by_transform
from studies.records import Origin, Proposal

RUNGS = (0.03, 0.1, 0.01, 0.001, 0.3, 0.003, 0.06, 0.0003, 0.2)
"""Predicted harms, the middle first: a short ladder is cut here. A certificate begins with a candidate whose answers
hardly change, so one less harmful than what the sampler draws comes early."""
SHARES = (1 / 4, 1 / 2)  # of the dense level: 8 and 16 of 32 bits, a quarter and half of the full ranks


def joint_ladder(space: JointSpace, trials: int, *, top: float = 1.0) -> list[Proposal]:
    """Return the seeds of a study, each config once, at most `trials / SHARE` of them but always one.

    Below `top`, the largest share of the costs that is within the limits, the best config comes first.
    """
    first = [Proposal(config=space.optimal(top), origin=Origin.LADDER)] if top < 1 else []
    mixed = (seed for seeds in zip_longest(_allocated(space), _alone(space)) for seed in seeds if seed)
    seeds = {p.config: p for p in reversed([*first, *mixed])}
    allowed = [p for p in reversed(seeds.values()) if p.config != space.dense and space.within_limits(p.config)]
    return allowed[: max(1, trials // SHARE)] or [Proposal(config=space.optimal(0.0), origin=Origin.LADDER)]


def _allocated(space: JointSpace) -> Iterator[Proposal]:
    """Yield, at each harm, the allocation of the mean of the costs and that of each alone."""
    tilts = dict.fromkeys([space.even, *map(space.of, space.steering)])
    for harm in RUNGS:
        for tilt in tilts:
            config = space.harming(harm, tilt)
            drawn = space.point(harm, tilt) if harm >= HARMS[-1] else None
            yield Proposal(config=config, origin=Origin.LADDER, coordinates=drawn)


def _alone(space: JointSpace) -> Iterator[Proposal]:
    """Yield the configs in which one further transform takes all of its groups to one share."""
    further = [*by_transform(space.groups).items()][1:]
    for share in SHARES:
        for _, members in further:
            levels = {group.name: group.nearest_level(share * group.units) for group in members}
            yield Proposal(config=space.merged(space.dense.replaced(levels)), origin=Origin.LADDER)
