"""Prepare what is computed once per model and reused: groups, rankings, sensitivities, costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from torch import nn

from optimizer.backends.running import Backends
from optimizer.costs.combined import block_prices
from optimizer.costs.costs import Cost
from optimizer.costs.limits import refuse_unreachable
from optimizer.errors import InputError
from optimizer.evaluation.evaluate import FLOAT32, DenseAnswers, Evaluator
from optimizer.evaluation.halves import in_halves
from optimizer.fields.distributions import written_of
from optimizer.fronts.fronts import study_limits
from optimizer.latency.fitted import FittedLatency
from optimizer.latency.proposed import wanted_costs
from optimizer.measuring.measure import further_shapes
from optimizer.own import QUANTITY
from optimizer.pipeline import Pipeline
from optimizer.preparation.harms import Harms
from optimizer.preparation.proposed_memory import MEMORY, proposed_memory
from optimizer.preparation.proposing import fitted_latency, note_of
from optimizer.progress import Report, Stages
from optimizer.search.joint import JointSpace
from optimizer.search.joint_ladder import joint_ladder
from optimizer.search.ladder import ladder
from optimizer.search.refine import Refiner
from optimizer.search.space import SearchSpace, Space
from optimizer.search.weight_space import WeightSpace
from optimizer.search.written import NOTHING, Wanted, wanted
from optimizer.selection.feasible import is_feasible
from optimizer.spec import StudySpec
from optimizer.workload import Workload
from search_spaces.blocks import blocks_of
from search_spaces.combinations import NONE
from search_spaces.config import Config, Form
from search_spaces.groups import Group
from search_spaces.transforms.masks.space import MaskSpace
from search_spaces.transforms.table import BITS
from search_spaces.transforms.units.evidence import RankingError
from studies.records import Candidate, Proposal


@dataclass(frozen=True)
class Prepared:
    """The inputs of the search."""

    workload: Workload
    pipeline: Pipeline
    backends: Backends
    space: SearchSpace
    evaluator: Evaluator

    build: Callable[[Config], nn.Module]  # a model of a config, sharing untouched weights with the dense one
    ladder: Callable[[int], list[Proposal]]  # the initial configs for a study of this many candidates
    refiner: Refiner | None  # None where the sampler is the whole search
    notes: tuple[str, ...] = ()
    wanted: Wanted = NOTHING  # the user's own distributions

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups of all transforms."""
        return self.pipeline.groups

    def price(self, candidate: Candidate) -> float:
        """Return a candidate's cost on the space's yardstick, as a ratio to the dense model's."""
        return self.space.costs[self.space.yardstick].ratio(candidate.config)


def prepare(spec: StudySpec, workload: Workload, *, cache_dir: Path, stages: Stages) -> Prepared:
    """Return everything the search needs, computing what the cache of this model does not contain yet.

    Raises `InputError` for a `keep` entry that matches no layer, for lengths where requests have none, and for a dense
    model that cannot be compiled or captured where that is asked.
    """
    pipeline, backends = Pipeline.of(spec, workload, cache_dir), Backends(spec, workload, cache_dir)
    groups = pipeline.groups
    further_shapes(workload.family, spec)  # which are refused before the search
    with stages.stage("baseline"):
        backends.make_dense()
        dense = DenseAnswers.on(workload, groups, backends.answering)
    evaluator = partial(
        Evaluator,
        dense=dense,
        epsilon=spec.tolerance,
        seed=spec.seed,
        counted=pipeline.counted,
    )
    if pipeline.trains:
        build = stages.timed("train", pipeline.build)
        masks = MaskSpace(groups, initial=pipeline.training.initial, trained=workload.model)
        masked = WeightSpace(masks, pipeline.costs, study_limits(spec))
        return Prepared(
            workload=workload,
            pipeline=pipeline,
            backends=backends,
            space=masked,
            evaluator=evaluator(space=masked, build=build),
            build=build,
            ladder=masked.ladder,
            refiner=None,
        )
    notes: tuple[str, ...] = ()
    if spec.search_precision != FLOAT32:
        dense, note = in_halves(dense, workload, has_few_bits=BITS in spec.applied)
        evaluator, notes = partial(evaluator, dense=dense), (note,)
    with stages.stage("bank") as report:
        pipeline.fill(report)
    build = partial(_stitched, pipeline, stages)
    form = Form.RECONSTRUCTED if spec.reconstruct else Form.SLICED
    harms = Harms(pipeline, build, dense, form, answered_by=backends.answers_in)
    with stages.stage("sensitivity") as report:
        each = harms.of_groups(report)
    with stages.stage("tables"):
        costs = _costs(spec, pipeline, backends, cache_dir)
    refuse_unreachable(study_limits(spec), costs, groups)
    space = Space(groups, form, costs, each, study_limits(spec), pipeline.merged)
    if len(pipeline.names) > 1:
        with stages.stage("combinations") as report:
            space = _joint(spec, pipeline, space, harms, report)
    top = space.reach() if spec.epsilon is None else 1.0
    evaluates = evaluator(space=space, build=build, costs=_compared(spec, space))
    refiner = Refiner(
        space,
        is_feasible=lambda candidate: is_feasible(candidate, spec.tolerance),
        seeks_accuracy=spec.epsilon is None,
    )
    asked = wanted(spec.distributions, space)
    seeds, notes = partial(_seeds, space, asked, top=top), (*notes, *_notes(costs), *asked.notes)
    return Prepared(workload, pipeline, backends, space, evaluates, build, seeds, refiner, notes, asked)


def _seeds(space: Space, asked: Wanted, trials: int, *, top: float) -> list[Proposal]:
    """Return what the user gives, and the ladder of the candidates that this leaves."""
    left = max(1, trials - len(asked.names))
    built_in = joint_ladder(space, left, top=top) if isinstance(space, JointSpace) else ladder(space, left, top=top)
    return [*asked.proposals, *(seed for seed in built_in if seed.config not in asked.names)]


def _costs(spec: StudySpec, pipeline: Pipeline, backends: Backends, cache_dir: Path) -> Mapping[str, Cost]:
    """Return what is known of a config's costs before its model is built."""
    costs = pipeline.proposed_costs(spec, cache_dir, partial(fitted_latency, spec, pipeline, backends, cache_dir))
    if MEMORY not in wanted_costs(spec):
        return costs
    return {**costs, MEMORY: proposed_memory(spec, pipeline, backends, cache_dir)}


def _notes(costs: Mapping[str, Cost]) -> tuple[str, ...]:
    latency = costs.get("latency")
    return (note_of(latency),) if isinstance(latency, FittedLatency) else ()


def _compared(spec: StudySpec, space: Space) -> set[str]:
    """Return the quantities by which candidates are rivals; Algorithm 1 measures each candidate to the end."""
    if spec.sampler == "iterative":
        return set()
    return {space.yardstick, *(name if name in space.costs else QUANTITY + name for name in spec.objectives)}


def check_loaded(spec: StudySpec, workload: Workload, cache_dir: Path) -> None:
    """Raise `InputError` for faults that only a loaded model shows, before the study is stored.

    These are unknown layers to keep or in distributions, limits that are too low, an own objective that returns no
    cost, and an own criterion that returns no order.
    """
    pipeline, limits = Pipeline.of(spec, workload, cache_dir), study_limits(spec)
    groups = pipeline.groups
    if limits:
        refuse_unreachable(limits, pipeline.costs, groups)
    for one in written_of(spec.distributions):
        one.config(groups, Form.RECONSTRUCTED)
    refuse_worthless(pipeline)
    _refuse_unranked(pipeline)


def refuse_worthless(pipeline: Pipeline) -> None:
    """Raise `InputError` for an own objective that gives the dense model no cost, or 0, to which no ratio exists."""
    try:
        costs = pipeline.own_costs(pipeline.workload.model)
    except ValueError as error:
        raise InputError("objectives", f"{error} (for the dense model)") from error
    for name in (cost.quantity.removeprefix(QUANTITY) for cost in costs if not cost.value):
        raise InputError("objectives", f"{name} is 0 for the dense model; costs are compared as ratios to it")


def _refuse_unranked(pipeline: Pipeline) -> None:
    try:
        for step in pipeline.steps:
            step.source.check()
    except RankingError as error:
        raise InputError("criterion", str(error).removeprefix("criterion: ")) from error


def _stitched(pipeline: Pipeline, stages: Stages, config: Config) -> nn.Module:
    with stages.part("bank"):
        pipeline.fill_for(config)
    with stages.part("stitch"):
        return pipeline.build(config)


def _joint(spec: StudySpec, pipeline: Pipeline, space: Space, harms: Harms, report: Report) -> Space:
    """Return the space with its groups in blocks, where groups of several transforms belong together."""
    blocks = blocks_of(space.groups)
    if len(blocks) == len(space.groups):
        return space
    steering = {name: space.yardstick if name == "flops" else name for name in (*spec.objectives, *space.limits)}
    named = [name for name in dict.fromkeys(steering.values()) if name in space.costs] or [space.yardstick]
    own = pipeline.of_layout
    alone = JointSpace(
        **vars(space),
        blocks=blocks,
        prices={name: block_prices(blocks, space.groups, space.costs[name], own) for name in named},
        corrections=[NONE] * len(blocks),
        steering=tuple(named),
    )
    return replace(alone, corrections=harms.of_combinations(alone.seen(alone.even).blocks, report))
