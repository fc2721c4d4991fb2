"""The ladder: seeds that every study starts with, under any sampler.

Allocations by sensitivity at several budgets, the uniform ratio at the same ones, and the four tilted classic
distributions: what a careful person would try first; they give the sampler an overview.
"""

from __future__ import annotations

from optimizer.search.space import Space
from search_spaces.config import Config
from search_spaces.distributions import Classic, classic
from studies.records import Origin, Proposal

OPTIMAL_RATIOS = (0.5, 0.4, 0.6, 0.35, 0.45, 0.3, 0.7, 0.55, 0.8, 0.25)  # the middle first: a short ladder is cut here
UNIFORM_RATIOS = (0.5, 0.7, 0.4, 0.6, 0.3, 0.8, 0.2)
TILTED_RATIO = 0.5
SHARE = 3  # at most a third of the candidates


def ladder(space: Space, trials: int, *, top: float = 1.0) -> list[Proposal]:
    """Return the seeds of a study, each config once, at most `trials / SHARE` of them but always one.

    Ratios are shares of `top`: the dense model, or the limit below which the best config is sought, which comes first.
    """
    first, *optimal = [_seed(space, space.optimal(ratio * top), temperature=1.0) for ratio in (1.0, *OPTIMAL_RATIOS)]
    uniform = [_seed(space, _classic(space, ratio * top, Classic.UNIFORM), temperature=0.0) for ratio in UNIFORM_RATIOS]
    tilted = [
        Proposal(config=_classic(space, TILTED_RATIO * top, distribution), origin=Origin.LADDER)
        for distribution in list(Classic)[1:]
    ]
    seeds = {p.config: p for p in reversed([first, *_alternating(optimal, uniform), *tilted])}
    allowed = [p for p in reversed(seeds.values()) if p.config != space.dense and space.within_limits(p.config)]
    return allowed[: max(1, trials // SHARE)]


def _alternating(optimal: list[Proposal], uniform: list[Proposal]) -> list[Proposal]:
    """Return three seeds by sensitivity for every uniform one, then what is left."""
    mixed: list[Proposal] = []
    rest = list(uniform)
    for index, proposal in enumerate(optimal, start=1):
        mixed.append(proposal)
        if index % 3 == 0 and rest:
            mixed.append(rest.pop(0))
    return mixed + rest


def _classic(space: Space, ratio: float, distribution: Classic) -> Config:
    return space.merged(classic(space.groups, ratio, distribution, space.form))


def _seed(space: Space, config: Config, *, temperature: float) -> Proposal:
    point = space.tempered.point(config, temperature=temperature)
    return Proposal(config=config, origin=Origin.LADDER, coordinates=point)
