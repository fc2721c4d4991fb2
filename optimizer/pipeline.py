"""The pipeline: a family with the transforms of a study, in their order; the one place where the two meet."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Self

from torch import Tensor, nn

from objectives.bit_operations import FULL
from objectives.measurement import Measurement
from objectives.size import count_parameters, measure_size, size_bytes
from objectives.sparse_size import measure_sparse_size
from optimizer.costs.costs import Cost, WeightedSum
from optimizer.costs.described import Constant, Described, Saved, Savings
from optimizer.errors import InputError
from optimizer.evaluation.evaluate import flops_measurement
from optimizer.latency.proposed import add_proposed_costs
from optimizer.latency.splits import split_table
from optimizer.measuring.execution import Execution, fastest
from optimizer.spec import StudySpec
from optimizer.tasks.task import TARGETS
from optimizer.views.trainings import measured_training
from optimizer.workload import Workload
from search_spaces import groups as grouped
from search_spaces.config import Config, ConfigError, Form
from search_spaces.groups import Group
from search_spaces.layouts.layout import Layout, Side
from search_spaces.layouts.stored import written_instead
from search_spaces.transforms.table import BITS, TRANSFORMS, Row, known_costs, trains
from search_spaces.transforms.transform import LayerShape, Training, Transform
from search_spaces.transforms.transform import Source as Kept
from search_spaces.transforms.units.evidence import Criterion
from search_spaces.transforms.units.recalibrate import recalibrate

RECALIBRATION_BATCHES = 4  # batch norms need a mean and a variance per channel, not the finer moments of the bank


@dataclass(frozen=True)
class Step:
    """One transform of a study: what it is called, what is known of it, and what it computes once."""

    name: str
    under: str  # as its groups' `under`
    row: Row
    transform: Transform
    source: Kept
    groups: tuple[Group, ...]


class Pipeline:
    """The transforms `names` of one workload, with what they keep below `root`."""

    def __init__(
        self,
        workload: Workload,
        names: tuple[str, ...],
        *,
        criterion: str | Criterion,
        root: Path,
        keep: tuple[str, ...] = (),
    ) -> None:
        self.workload, self.names = workload, names
        self._root, self._keep = root, keep
        self.dense = workload.family.dense(criterion)

    @classmethod
    def of(cls, spec: StudySpec, workload: Workload, cache_dir: Path) -> Self:
        """Return the pipeline of a study. Raises `InputError` for a `keep` entry that matches no layer."""
        criterion = workload.criterion or spec.criterion
        return cls(workload, spec.applied, criterion=criterion, root=cache_dir / "banks", keep=spec.keep)

    def levels_of(self, config: Config) -> dict[str, dict[str, int]]:
        """Return the levels of a config by the names of the transforms."""
        return {step.name: config.part(step.under).as_dict() for step in self.steps}

    @property
    def trains(self) -> bool:
        """Whether every candidate is trained."""
        return trains(self.names)

    @property
    def training(self) -> Training:
        """How candidates are trained. Raises `InputError` for a family that cannot."""
        if self.dense.training is None:
            raise InputError("transforms", "this model cannot be trained under masks; use units")
        return self.dense.training

    @property
    def leaves_zeros(self) -> bool:
        """Whether models keep zeros in their layers, so that sizes are those of the smallest storage."""
        return any(TRANSFORMS[name].leaves_zeros for name in self.names)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The groups of all transforms; those in `keep` are frozen. Raises `InputError`."""
        groups = tuple(group for step in self.steps for group in step.groups)
        try:
            grouped.dense_config(groups)  # every group is named once
            return grouped.freeze(groups, grouped.frozen_groups(groups, self._keep))
        except ConfigError as error:
            raise InputError("keep", str(error)) from error

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The transforms in their order. Raises `InputError` for one that finds nothing in the model."""
        return tuple(self._step(name, "" if name == self.names[0] else name) for name in self.names)

    def fill(self, progress: Callable[[int, int], None] = lambda _done, _total: None) -> None:
        """Compute what every study needs."""
        for step in self.steps:
            step.source.fill(progress)

    def fill_for(self, config: Config) -> None:
        """Compute what a config needs, so that building it takes milliseconds."""
        for step in self.steps:
            step.source.fill_for(config.part(step.under))

    def build(self, config: Config, *, share_weights: bool = True) -> nn.Module:
        """Return the compressed model; `share_weights`: it shares untouched layers with the dense model."""
        grouped.check_config(config, self.groups)
        model = self._through(self.steps, self.dense.model, config, share_weights=share_weights)
        if config.form is not Form.RECONSTRUCTED:
            return model
        return self.settled(model)

    def before_training(self, config: Config) -> Config:
        """Return the config of the model that is trained: the transforms that end a recovery leave it as it is."""
        dense = grouped.dense_config(self.groups).levels
        ending = (group.name for step in self.steps if step.row.ends for group in step.groups)
        return config.replaced({name: dense[name] for name in ending})

    def after_training(self, model: nn.Module, config: Config) -> nn.Module:
        """Return a config's model from the one that was trained for it, with which it shares what does not change."""
        ending = [step for step in self.steps if step.row.ends]
        return self._through(ending, model, config, share_weights=True)

    def _through(self, steps: Sequence[Step], model: nn.Module, config: Config, *, share_weights: bool) -> nn.Module:
        """Return what some of the steps make of a model that the steps before them have left."""
        stays = dict[Side, Tensor]()
        for step in self.steps:
            part = config.part(step.under)
            if step in steps:
                model = step.transform.apply(model, part, step.source, share_weights=share_weights, stays=stays)
            stays |= step.source.stays(part)
        return model

    def settled(self, model: nn.Module) -> nn.Module:
        """Return a model whose batch norms are measured on calibration examples."""
        return recalibrate(model, self._few_batches(), self.dense.rounded)

    def merged(self, config: Config) -> Config:
        """Return the config with those groups dense that change nothing in what the transforms before them leave."""
        levels, left = dict[str, int](), dict[Side, int]()
        for step in self.steps:
            part = config.part(step.under)
            levels |= step.source.merged(part, left).kept
            left |= step.source.left(part)
        return config.replaced(levels)

    def outline(self, config: Config, tensors: Mapping[str, Tensor]) -> nn.Module:
        """Return a model with a config's shapes, into which `tensors` are to be loaded."""
        steps = {step.under: step.transform for step in self.steps}
        return outlined(self.dense.model, config, steps, find_layout=lambda: self.dense.layout, tensors=tensors)

    @cached_property
    def costs(self) -> Mapping[str, Cost]:
        """The costs of a config that are known exactly before its model is built."""
        priced = dict(self._priced)
        if BITS in self.names:
            priced["bit_operations"] = WeightedSum((FULL / 2, priced["flops"]))
        return {name: self._after_all(cost, self._savings.of(name)) for name, cost in priced.items()}

    @cached_property
    def _priced(self) -> Mapping[str, Cost]:
        """What the family's own groups cost."""
        return self.workload.family.costs() if self.of_layout else self._constants()

    def weights(self, few: Collection[int]) -> Cost:
        """Return the bytes of a model's weights in memory, where those of `few` bits are held as codes."""
        each = next(self.dense.model.parameters()).element_size()
        return self._after_all(WeightedSum((float(each), self._priced["parameters"])), self._savings.held(few))

    def proposed_costs(
        self, spec: StudySpec, cache_dir: Path, elsewhere: Callable[[], Cost | None] = lambda: None
    ) -> Mapping[str, Cost]:
        """Return the costs with "latency" and "energy" from tables, where the objectives or limits ask for them.

        `elsewhere` returns the latency in another backend than torch, None where torch runs the models.
        """

        def latency() -> Cost:
            if fitted := elsewhere():
                return fitted
            cost, paths = self.workload.family.latency(spec, cache_dir), self._split
            if not paths:
                return self._after_all(cost, self._savings.of("latency"))
            request = self.workload.family.request()
            table = split_table(spec, self.dense.model, paths, request=request, cache_dir=cache_dir)
            return self._after_all(cost, table.saved)

        return add_proposed_costs(self.costs, spec, self.workload.device, latency)

    def counted(self, config: Config, model: nn.Module) -> tuple[Measurement, ...]:
        """Return the costs that only a built model shows: its FLOPs, what its training took, the caller's own."""
        measured = [] if "flops" in self.costs else [flops_measurement(self.workload.family.flops(model))]
        for step in self.steps:
            measured += measured_training(step.source.training(config.part(step.under)))
        return (*measured, *self.own_costs(model))

    def own_costs(self, model: nn.Module) -> tuple[Measurement, ...]:
        """Return a model's costs by the caller's own objectives. Raises `ValueError` for one that is no cost."""
        owners = self.workload.family.bare(model)
        return tuple(objective.measured(owners) for objective in self.workload.objectives)

    def sizes(self, model: nn.Module) -> tuple[Measurement, ...]:
        """Return the "parameters" and the "size" of a model."""
        if self.leaves_zeros:
            return measure_sparse_size(model)
        return measure_size(model, self.workload.family.written_as, written_instead(model))

    def execution(self, model: nn.Module, spec: StudySpec) -> Execution:
        """Return a model in the form in which it runs fastest on this device."""
        if not self.leaves_zeros:
            return Execution(model, {})
        dense = self.dense.model
        forms = {name: form for step in self.steps for name, form in step.transform.forms(dense, model).items()}
        return fastest(model, forms, dense, self.workload.family.request(), spec)

    def _step(self, name: str, under: str) -> Step:
        row = TRANSFORMS[name]
        made = row.load()
        try:
            groups = tuple(replace(group, under=under) for group in made.groups(self.dense))
            return Step(name, under, row, made, made.source(self.dense, self._root), groups)
        except InputError:
            raise
        except ValueError as error:
            raise InputError("transforms", f"{name}: {error}") from error

    @property
    def of_layout(self) -> frozenset[str]:
        """The names of the groups that the family prices."""
        return frozenset(group.name for step in self.steps if step.row.of_layout for group in step.groups)

    def _after_all(self, cost: Cost, saved: Saved) -> Cost:
        """Return a cost that the family knows as one of configs of all transforms."""
        if all(step.row.of_layout for step in self.steps):
            return cost
        own, changes = self.of_layout, partial(described, self.dense.model, self.steps)
        return Described(cost if own else Constant(cost.dense), own, self.groups, changes, saved)

    @cached_property
    def _savings(self) -> Savings:
        family, model, lengths = self.workload.family, self.dense.model, self.workload.search.lengths
        paths = [path for path, shape in self._changes if shape.is_split or shape.bits]
        positions = family.requests.positions(model, paths, lengths) if paths else {}
        return Savings(model, family.written_as, positions)

    @property
    def _split(self) -> list[str]:
        """The paths of the layers that may be split."""
        return [*dict.fromkeys(path for path, shape in self._changes if shape.is_split)]

    @cached_property
    def _changes(self) -> list[tuple[str, LayerShape]]:
        """What the least level of each group that the family does not price makes of its layers, all others dense."""
        dense = grouped.dense_config(self.groups)
        least = (dense.replaced({g.name: g.levels[0]}) for g in self.groups if g.name not in self.of_layout)
        return [change for config in least for change in described(self.dense.model, self.steps, config)]

    def _constants(self) -> dict[str, Cost]:
        """Return the dense model's costs, those that do not depend on a training."""
        model, family = self.dense.model, self.workload.family
        counts: dict[str, Callable[[], float]] = {
            "flops": lambda: family.flops(model),
            "parameters": lambda: count_parameters(model),
            "size": lambda: size_bytes(model, family.written_as),
        }
        return {name: Constant(float(count())) for name, count in counts.items() if name in known_costs(self.names)}

    def _few_batches(self) -> Iterator[dict[str, Tensor]]:
        for batch in islice(self.dense.batches(), RECALIBRATION_BATCHES):
            yield {name: tensor for name, tensor in batch.items() if name not in TARGETS}


def described(model: nn.Module, steps: Sequence[Step], config: Config) -> list[tuple[str, LayerShape]]:
    """Return by path what each step makes of the layers that it changes: fewer bits of what a split has left."""
    changes, left, split = list[tuple[str, LayerShape]](), dict[Side, int](), dict[str, LayerShape]()
    for step in steps:
        part = config.part(step.under)
        for path, shape in step.transform.describe(model, part, left).items():
            changes.append((path, replace(split[path], bits=shape.bits) if shape.bits and path in split else shape))
            if shape.is_split:
                split[path] = shape
        left |= step.source.left(part)
    return changes


def outlined(
    model: nn.Module,
    config: Config,
    transforms: Mapping[str, Transform],
    *,
    find_layout: Callable[[], Layout],
    tensors: Mapping[str, Tensor],
) -> nn.Module:
    """Return a dense model shrunk to a config's shapes; `transforms` by what their groups stand under."""
    for under, each in transforms.items():
        model = each.outline(model, config.part(under), find_layout=find_layout, tensors=tensors)
    return model
