"""The field: methods to prune with, beside this project's own, on one workload at the same levels and FLOPs.

Three kinds of weights meet: those of the layer bank, the kept weights of the dense model ranked by magnitude, and the
masks of Kwon et al. Each has an arena of its own; examples, racing, shortlist and verification are the same for all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

import numpy as np
from torch import nn

from benchmarks.fisher import FisherMasks
from benchmarks.judge import Judge
from benchmarks.knowledge import KnowledgePruning
from benchmarks.strategies import Arena, staged
from optimizer.backends.running import Backends
from optimizer.costs.costs import Cost
from optimizer.evaluation.evaluate import DenseAnswers, Evaluator
from optimizer.loop.worth import Worth
from optimizer.pipeline import Pipeline
from optimizer.preparation.prepare import Prepared, prepare
from optimizer.progress import Stages, ignore
from optimizer.samplers import make_sampler
from optimizer.search.iterative import IterativeProposer
from optimizer.search.proposer import Proposer, StagedProposer
from optimizer.search.steps import Step, configs_of
from optimizer.spec import CriterionName, StudySpec
from optimizer.workload import Workload
from search_spaces.config import Config, Form
from search_spaces.distributions import Classic, classic
from search_spaces.groups import Group, config_of, dense_config
from search_spaces.transforms.passes import Batch
from studies.records import Candidate, Origin, Proposal

Weights = Literal["bank", "magnitude", "fisher", "knowledge"]
TUNED = 256  # examples on which masks or weights are solved; they pass through the model as one batch
MEASURED = 64  # examples on which knowledge is measured, before every sub-layer
LEAST, MOST = 0.1, 0.95  # ratios that methods without a search of their own go through, evenly


@dataclass(frozen=True)
class RawSpace:
    """The raw layer space: one axis per group, along which its levels are equally wide. A `SearchSpace`."""

    groups: Sequence[Group]
    form: Form
    costs: Mapping[str, Cost]

    yardstick = "flops"

    @property
    def limits(self) -> Mapping[str, float]:
        """None: nothing but ε cuts here."""
        return {}

    @property
    def dense(self) -> Config:
        """The config that removes nothing."""
        return dense_config(self.groups).in_form(self.form)

    @property
    def dimensions(self) -> int:
        """The number of groups."""
        return len(self.groups)

    def at_point(self, point: Sequence[float]) -> Config:
        """Return the config at a point of the cube."""
        levels = {
            group.name: group.levels[min(int(place * len(group.levels)), len(group.levels) - 1)]
            for group, place in zip(self.groups, point, strict=True)
        }
        return config_of(self.groups, levels, self.form)

    def within_limits(self, config: Config) -> bool:  # noqa: ARG002 - part of the Protocol
        """Return True: there are no limits."""
        return True


class Descent:
    """Proposes configs in their order, each once; they are made when they are asked for."""

    exhausted = "there is no further ratio"

    def __init__(self, configs: Iterator[Config]) -> None:
        self._configs = configs

    def propose(self, finished: Sequence[Candidate], pending: Sequence[Step] = ()) -> Proposal | None:
        """Return the next that was not proposed."""
        known = {c.config for c in finished}.union(*map(configs_of, pending))
        config = next((each for each in self._configs if each not in known), None)
        return None if config is None else Proposal(config=config, origin=Origin.USER)


class Field:
    """What the methods need of one workload, each part made when it is first asked for; `seconds` says what it took.

    `spec` holds the largest ε.
    """

    def __init__(self, spec: StudySpec, workload: Workload, cache_dir: Path) -> None:
        self.spec, self._workload, self._cache_dir = spec, workload, cache_dir
        self._judge, self._arenas = Judge(workload), dict[Weights, Arena]()
        self._pipelines: dict[CriterionName, Pipeline] = {}
        self.seconds: dict[Weights, float] = {}

    def arena(self, weights: Weights) -> Arena:
        """Return where methods with these weights meet."""
        if weights not in self._arenas:
            started = time.monotonic()
            self._arenas[weights] = Arena(self.spec, self._prepared(weights), self._judge)
            self.seconds[weights] = time.monotonic() - started
        return self._arenas[weights]

    def raw(self, weights: Weights) -> RawSpace:
        """Return the raw layer space of these weights."""
        prepared = self.arena(weights).prepared
        return RawSpace(prepared.groups, prepared.space.dense.form, prepared.pipeline.costs)

    @cached_property
    def rows(self) -> list[str]:
        """The names of the methods that know the model's kind."""
        of_encoders = self._pipeline("obs").dense.layout.gives_bias
        return [name for name, method in METHODS.items() if of_encoders or not method.encoders_only]

    @cached_property
    def masks(self) -> FisherMasks:
        """The method whose weights are called "fisher"."""
        pipeline = self._pipeline("fisher")
        return FisherMasks(pipeline.dense, pipeline.costs["flops"], *calibration(pipeline, TUNED, size=TUNED))

    @cached_property
    def knowledge(self) -> KnowledgePruning:
        """The method whose weights are called "knowledge"."""
        pipeline = self._pipeline("fisher")
        measured, [tuned] = calibration(pipeline, MEASURED, size=16), calibration(pipeline, TUNED, size=TUNED)
        return KnowledgePruning(pipeline.dense, pipeline.costs["flops"], measured=measured, tuned=tuned)

    def _prepared(self, weights: Weights) -> Prepared:
        if weights == "bank":
            stages = Stages(ignore, lambda _seconds: None)
            return prepare(self.spec, self._workload, cache_dir=self._cache_dir, stages=stages)
        if weights == "fisher":
            return self._unsearched(self._pipeline("fisher"), self.masks.build)
        if weights == "knowledge":
            return self._unsearched(self._pipeline("fisher"), self.knowledge.build)
        pipeline = self._pipeline("magnitude-l1")
        pipeline.fill()
        return self._unsearched(pipeline, pipeline.build)

    def _pipeline(self, criterion: CriterionName) -> Pipeline:
        if criterion not in self._pipelines:
            spec = self.spec.model_copy(update={"criterion": criterion})
            self._pipelines[criterion] = Pipeline.of(spec, self._workload, self._cache_dir)
        return self._pipelines[criterion]

    def _unsearched(self, pipeline: Pipeline, build: Callable[[Config], nn.Module]) -> Prepared:
        """Return what evaluates configs of kept weights; there are no sensitivities, so no ladder and no refiner."""
        workload, spec = self._workload, self.spec
        space = RawSpace(pipeline.groups, Form.SLICED, pipeline.costs)
        dense = DenseAnswers.on(workload, pipeline.groups)
        evaluator = Evaluator(
            space=space, build=build, dense=dense, epsilon=spec.tolerance, seed=spec.seed, counted=pipeline.counted
        )
        backends = Backends(spec, workload, self._cache_dir)
        return Prepared(workload, pipeline, backends, space, evaluator, build, lambda _: [], None)


def calibration(pipeline: Pipeline, count: int, *, size: int) -> list[Batch]:
    """Return `count` of a workload's calibration examples, drawn at random, in batches of `size`.

    Raises `SystemExit` for a network that is no encoder.
    """
    if not pipeline.dense.layout.gives_bias:
        raise SystemExit("Fisher masks and K-prune are for encoders; choose the other rows with --rows")
    examples, device = pipeline.workload.calibration, pipeline.workload.device
    drawn = examples.subset(np.random.default_rng(0).permutation(len(examples.labels))[:count])
    return list(drawn.batches(batch_size=size, device=device))


@dataclass(frozen=True)
class Method:
    """A row of the comparison: whose weights it takes, and what it proposes of a field at a seed.

    With `rivals` a candidate is stopped beside a better one, as a study does; others measure every candidate. What
    `recover` trains after the search is judged along with its candidates.
    """

    weights: Weights
    proposer: Callable[[Field, int], Proposer]
    has_seed: bool = True
    rivals: bool = False
    recover: str = "none"
    encoders_only: bool = False


def _ours(field: Field, seed: int, *, climb: bool = True, refine: bool = True) -> Proposer:
    return staged(field.arena("bank"), sampler=None, seed=seed, refine=refine, climb=climb)


def _raw_search(weights: Weights, sampler: str, field: Field, seed: int) -> Proposer:
    space, spec = field.raw(weights), field.spec
    worth = Worth(spec, replace(field.arena(weights).prepared, space=space))
    make = partial(
        make_sampler,
        sampler,
        dimensions=space.dimensions,
        seed=seed,
        budget=spec.trials,
        objectives=1 + len(spec.objectives),
        constraints=worth.constraints,
    )
    return StagedProposer(space, seeds=(), trials=spec.trials, make_sampler=make, worth=worth, refiner=None)


def _uniform(weights: Weights, field: Field, _seed: int) -> Proposer:
    space = field.raw(weights)
    return _listed(field, lambda ratio: classic(space.groups, ratio, Classic.UNIFORM, space.form))


def _masks(field: Field, _seed: int) -> Proposer:
    return _listed(field, field.masks.config)


def _knowledge(field: Field, _seed: int) -> Proposer:
    return _listed(field, field.knowledge.config)


def _listed(field: Field, config_at: Callable[[float], Config]) -> Proposer:
    """Return a proposer of the configs at ratios from the largest to the least."""
    return Descent(config_at(float(ratio)) for ratio in np.linspace(MOST, LEAST, field.spec.trials))


def _iterative(field: Field, _seed: int) -> Proposer:
    arena = field.arena("magnitude")
    return IterativeProposer(arena.prepared.groups, arena.is_feasible)


METHODS: Mapping[str, Method] = {
    "ours": Method("bank", _ours, rivals=True),
    "ours without seeds": Method("bank", partial(_ours, climb=False), rivals=True),
    "ours without refinement": Method("bank", partial(_ours, refine=False), rivals=True),
    "ours, distilled": Method("bank", _ours, rivals=True, recover="distill"),
    "random layers, our bank": Method("bank", partial(_raw_search, "bank", "random")),
    "uniform, our bank": Method("bank", partial(_uniform, "bank"), has_seed=False),
    "NSGA-II over magnitude": Method("magnitude", partial(_raw_search, "magnitude", "nsga2")),
    "TPE over magnitude": Method("magnitude", partial(_raw_search, "magnitude", "tpe")),
    "uniform magnitude": Method("magnitude", partial(_uniform, "magnitude"), has_seed=False),
    "Algorithm 1": Method("magnitude", _iterative, has_seed=False),
    "Fisher masks": Method("fisher", _masks, has_seed=False, encoders_only=True),
    "K-prune": Method("knowledge", _knowledge, has_seed=False, encoders_only=True),
}
