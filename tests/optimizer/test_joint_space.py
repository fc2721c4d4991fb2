"""The joint space of several transforms, without a model: its points, its ladder, and the search in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from search_space_fixture import candidate, settled

from optimizer.costs.combined import block_prices, measure_combinations
from optimizer.samplers import make_sampler
from optimizer.samplers.protocol import Told
from optimizer.search.joint import JointSpace
from optimizer.search.joint_ladder import joint_ladder
from optimizer.search.proposer import StagedProposer
from optimizer.search.refine import Refiner
from search_spaces.allocation import FloatArray
from search_spaces.blocks import blocks_of
from search_spaces.combinations import NONE
from search_spaces.config import Config, Form
from search_spaces.groups import Group, check_config
from studies.records import Candidate, Origin

LAYERS = range(3)
EPSILON = 0.01
TRIALS = 30


def group(name: str, layer: int, levels: Sequence[int], under: str = "", *places: str) -> Group:
    return Group(
        name=name,
        kind=under or "heads",
        layer=layer,
        units=levels[-1],
        unit_size=1,
        levels=tuple(levels),
        producers=places[:1],
        consumers=(),
        under=under,
        owners=places[1:],
    )


GROUPS = (
    *(group(f"{i}.heads", i, range(9), "", f"{i}.layer") for i in LAYERS),
    *(group(f"{i}.layer.rank", i, range(4, 65, 4), "rank", f"{i}.layer", f"{i}.heads") for i in LAYERS),
    *(group(f"{i}.layer.bits", i, (4, 8, 16, 32), "bits", f"{i}.layer", f"{i}.heads") for i in LAYERS),
    group("table.bits", 0, (4, 8, 16, 32), "bits", "table"),
)


@dataclass(frozen=True)
class Made:
    """A cost in which units, rank and bits of a layer multiply; a table costs bytes alone."""

    table: float
    multiplied: float  # what a layer costs of a multiplication beside a weight's bits

    @property
    def dense(self) -> float:
        return self.total(Config((), more=(("rank", ()), ("bits", ()))))

    def total(self, config: Config) -> float:
        levels = config.levels
        layers = 0.0
        for i in LAYERS:
            whole = 64 * 8 * levels.get(f"{i}.heads", 8)
            thin = levels.get(f"{i}.layer.rank", 64) * (64 + 8 * levels.get(f"{i}.heads", 8))
            layers += min(whole, thin) * levels.get(f"{i}.layer.bits", 32)
        return 1e4 + self.multiplied * layers + self.table * levels.get("table.bits", 32)

    def ratio(self, config: Config) -> float:
        return self.total(config) / self.dense

    def of_levels(self, group: Group) -> FloatArray:
        raise NotImplementedError


def alone() -> dict[str, FloatArray]:
    """The harm of every level alone, of the later layers more."""
    return {g.name: (1 + g.layer) * 0.05 * (1 - np.array(g.levels) / g.units) ** 2 for g in GROUPS}


def harm(config: Config) -> float:
    """The made-up truth: what is done twice to a layer harms more than the sum."""
    levels, own = config.levels, alone()
    each = {g.name: float(own[g.name][g.levels.index(levels[g.name])]) for g in GROUPS}
    both = sum(min(each[f"{i}.heads"], each[f"{i}.layer.rank"]) for i in LAYERS)
    return sum(each.values()) + both


@cache
def space() -> JointSpace:
    costs = {"flops": Made(0.0, 1.0), "size": Made(6e4, 1.0)}
    blocks = blocks_of(GROUPS)
    return JointSpace(
        GROUPS,
        Form.RECONSTRUCTED,
        costs,
        alone(),
        {},
        blocks=blocks,
        prices={
            name: block_prices(blocks, GROUPS, cost, {g.name for g in GROUPS if not g.under})
            for name, cost in costs.items()
        },
        corrections=[NONE] * len(blocks),
        steering=("flops", "size"),
    )


def test_a_point_says_how_much_harm_in_which_mixture_of_costs() -> None:
    of = space()
    assert of.dimensions == 5
    points = [(harm, mixture, 0.5, 0.5, 0.5) for harm in (0.2, 0.6) for mixture in (0.0, 0.5, 1.0)]
    found = [of.at_point(point) for point in points]
    for config in found:
        check_config(config, GROUPS)
    sizes, flops = ([of.costs[name].ratio(config) for config in found] for name in ("size", "flops"))
    assert sizes[:3] == sorted(sizes[:3])
    assert flops[:3] == sorted(flops[:3], reverse=True)
    assert all(few < many for few, many in zip(flops[:3], flops[3:], strict=True)), "more harm, less cost"
    assert found[0].levels["table.bits"] < found[2].levels["table.bits"], "the table costs no FLOPs"
    assert found[2].levels["table.bits"] < 32, "yet fewer bits of it are almost free"
    trusting = of.at_point((0.4, 0.5, 0.0, 1.0, 0.5)).levels  # ranks are believed to harm less, bits more
    plain = of.at_point((0.4, 0.5, 0.5, 0.5, 0.5)).levels
    assert sum(trusting[f"{i}.layer.rank"] for i in LAYERS) < sum(plain[f"{i}.layer.rank"] for i in LAYERS)
    assert sum(trusting[f"{i}.layer.bits"] for i in LAYERS) >= sum(plain[f"{i}.layer.bits"] for i in LAYERS)


def test_the_ladder_holds_allocations_of_every_mixture_and_each_transform_alone() -> None:
    of = space()
    seeds = joint_ladder(of, 90)
    configs = [seed.config for seed in seeds]
    assert len(configs) == len({*configs}) <= 30
    assert of.dense.replaced({f"{i}.layer.bits": 8 for i in LAYERS} | {"table.bits": 8}) in configs
    assert of.dense.replaced({f"{i}.layer.rank": 16 for i in LAYERS}) in configs
    for seed in seeds:
        check_config(seed.config, GROUPS)
        assert seed.coordinates is None or of.at_point(seed.coordinates) == seed.config
    assert sum(seed.coordinates is not None for seed in seeds) > 10
    safe = of.harming(0.001, of.even)
    assert safe != of.dense
    assert safe in [seed.config for seed in joint_ladder(of, 45)], "a short ladder has a first step for certificates"


@pytest.mark.parametrize("limits", [{"size": 0.2}, {"flops": 0.1, "size": 0.3}])
def test_points_ladder_and_budgets_keep_the_limits(limits: dict[str, float]) -> None:
    of = replace(space(), limits=limits)
    configs = [of.at_point((harm, 1.0, 0.5, 0.5, 0.5)) for harm in (0.2, 0.9)]
    configs += [seed.config for seed in joint_ladder(of, 60)]
    reach = of.reach()
    assert 0 < reach < 1
    assert all(of.within_limits(config) for config in [*configs, of.optimal(reach)])
    assert of.costs["size"].ratio(of.optimal(0.3, "size")) <= 0.3


def test_search_finds_in_the_joint_space_what_the_tables_do_not_know() -> None:
    history = run(TRIALS)
    assert [c.config for c in history] == [c.config for c in run(TRIALS, history[:17])], "a kill changes nothing"
    assert len({c.config for c in history}) == TRIALS
    assert {c.proposal.origin for c in history} == {Origin.LADDER, Origin.SAMPLER, Origin.REFINE}
    refined = [c for c in history if c.proposal.origin is Origin.REFINE]
    parents = {c.number: c for c in history}
    changed = [
        {n for n, level in c.config.levels.items() if parents[c.proposal.parent or 0].config.levels[n] != level}
        for c in refined
    ]
    assert any(len({n.rsplit(".", 1)[1] for n in names}) > 1 for names in changed), "two transforms at once"
    sizes = {name: min(of_cost(c, name) for c in history if feasible(c)) for name in ("flops", "size")}
    assert sizes["flops"] < 0.12
    assert sizes["size"] < 0.25


def of_cost(found: Candidate, name: str) -> float:
    return space().costs[name].ratio(found.config)


def feasible(found: Candidate) -> bool:
    return found.outcome is not None and found.outcome.drop is not None and found.outcome.drop <= EPSILON


def run(trials: int, history: Sequence[Candidate] = ()) -> list[Candidate]:
    of, found = space(), [*history]
    proposer = StagedProposer(
        of,
        seeds=joint_ladder(of, trials),
        trials=trials,
        make_sampler=lambda: make_sampler(
            "tpe", dimensions=of.dimensions, seed=7, budget=trials, objectives=3, constraints=1
        ),
        worth=told(of),
        refiner=Refiner(of, is_feasible=feasible),
    )
    while len(found) < trials and (step := proposer.propose(found)) is not None:
        found.append(candidate(len(found), settled(step, harm), harm=harm))
    return found


def told(of: JointSpace) -> Callable[[Candidate], Told | None]:
    def worth(found: Candidate) -> Told | None:
        point, outcome = found.proposal.coordinates, found.outcome
        if point is None or outcome is None or outcome.drop is None:
            return None
        losses = outcome.drop, *(of.costs[name].ratio(found.config) for name in of.steering)
        return Told(number=found.number, point=point, losses=losses, violations=((outcome.drop - EPSILON) / EPSILON,))

    return worth


def test_measured_combinations_correct_the_harms_of_their_block_within_the_passes() -> None:
    of = space()
    blocks = of.seen(of.even).blocks
    asked: list[dict[str, int]] = []

    def divergence_of(levels: dict[str, int]) -> float:
        asked.append(levels)
        return harm(of.dense.replaced(levels))

    corrections = measure_combinations(blocks, divergence_of)  # type: ignore[arg-type]
    assert 0 < len(asked) <= 4 * len(blocks)
    assert corrections[-1] is NONE, "a table with bits alone has no combinations"
    of = replace(of, corrections=corrections)
    for block in of.seen(of.even).blocks[:-1]:
        for levels in (each for each in asked if block.block.groups[0].name in each):
            at = [g.levels.index(levels[g.name]) for g in block.block.groups]
            assert block.harm(at) == pytest.approx(harm(of.dense.replaced(levels)), rel=1e-6)
