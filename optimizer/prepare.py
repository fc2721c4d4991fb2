"""Prepare what is computed once per model and reused: groups, rankings, sensitivities, costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from torch import nn

from objectives.measurement import Measurement
from optimizer.errors import InputError
from optimizer.evaluate import Counted, DenseAnswers, Evaluator, flops_measurement
from optimizer.families.family import Bank, UnitBank
from optimizer.feasible import is_feasible
from optimizer.fronts import study_limits
from optimizer.limits import refuse_unreachable
from optimizer.progress import Stages
from optimizer.search.ladder import ladder
from optimizer.search.refine import Refiner
from optimizer.search.space import SearchSpace, Space
from optimizer.search.weight_space import WeightSpace
from optimizer.sensitivity import harm_table, measure_sensitivity, remembered
from optimizer.spec import StudySpec
from optimizer.workload import Workload
from search_spaces.config import Config, ConfigError, Form
from search_spaces.groups import Group, dense_config, freeze, frozen_groups
from search_spaces.transforms.masks.space import MaskSpace
from studies.records import Proposal

if TYPE_CHECKING:
    from optimizer.families.networks.masked import MaskedFamily


@dataclass(frozen=True)
class Prepared:
    """The inputs of the search."""

    workload: Workload
    groups: tuple[Group, ...]
    bank: Bank
    space: SearchSpace
    evaluator: Evaluator

    build: Callable[[Config], nn.Module]  # a model of a config, sharing untouched weights with the dense one
    ladder: Callable[[int], list[Proposal]]  # the initial configs for a study of this many candidates
    refiner: Refiner | None  # None where the sampler is the whole search


def prepare(spec: StudySpec, workload: Workload, *, cache_dir: Path, stages: Stages) -> Prepared:
    """Return everything the search needs, computing what the cache of this model does not contain yet.

    Raises `InputError` for a `keep` entry that matches no layer.
    """
    if spec.structure == "weights":
        return _prepare_weights(spec, workload, cache_dir=cache_dir, stages=stages)
    return _prepare_units(spec, workload, cache_dir=cache_dir, stages=stages)


def _prepare_units(spec: StudySpec, workload: Workload, *, cache_dir: Path, stages: Stages) -> Prepared:
    groups = study_groups(spec, workload)
    form = Form.RECONSTRUCTED if spec.reconstruct else Form.SLICED
    bank = cast("UnitBank", study_bank(spec, workload, groups, cache_dir))
    with stages.stage("baseline"):
        dense = DenseAnswers.on(workload.search, workload.search_answers, workload.task)
    with stages.stage("bank") as report:
        bank.fill_rankings(report)

    def build(config: Config) -> nn.Module:
        if config.form is Form.RECONSTRUCTED:
            with stages.part("bank"):
                bank.fill_levels(config.as_dict())
        with stages.part("stitch"):
            return workload.family.materialize(groups, config, bank, share_weights=True)

    with stages.stage("sensitivity") as report:
        harms = _harms(groups, bank, build, dense, form, report)
    costs = workload.family.costs(groups)
    with stages.stage("tables"):
        costs = workload.family.with_proposed_costs(costs, spec, groups=groups, cache_dir=cache_dir)
    refuse_unreachable(study_limits(spec), costs, groups)
    space = Space(groups, form, costs, harms, study_limits(spec))
    evaluator = _evaluator(spec, space, build, dense)
    refiner = Refiner(
        space,
        divergence_of=stages.timed("screen", evaluator.divergence_of),
        is_feasible=lambda candidate: is_feasible(candidate, spec.epsilon),
    )
    return Prepared(workload, groups, bank, space, evaluator, build, partial(ladder, space), refiner)


def _prepare_weights(spec: StudySpec, workload: Workload, *, cache_dir: Path, stages: Stages) -> Prepared:
    groups, family = study_groups(spec, workload), cast("MaskedFamily", workload.family)
    bank = family.bank(groups, spec.criterion, cache_dir / "banks")
    with stages.stage("baseline"):
        dense = DenseAnswers.on(workload.search, workload.search_answers, workload.task)
    masks = MaskSpace(groups, initial=family.training.initial, trained=workload.model)
    space = WeightSpace(masks, family.costs(groups), study_limits(spec))

    def build(config: Config) -> nn.Module:
        with stages.part("train"):
            return family.materialize(groups, config, bank, share_weights=True)

    def counted(config: Config, model: nn.Module) -> tuple[Measurement, ...]:
        flops = family.flops(model)
        return flops_measurement(flops), *bank.training_of(config)

    evaluator = _evaluator(spec, space, build, dense, counted=counted)
    return Prepared(workload, groups, bank, space, evaluator, build, space.ladder, None)


def _evaluator(
    spec: StudySpec,
    space: SearchSpace,
    build: Callable[[Config], nn.Module],
    dense: DenseAnswers,
    *,
    counted: Counted = lambda _config, _model: (),
) -> Evaluator:
    return Evaluator(
        space=space,
        build=build,
        dense=dense,
        epsilon=spec.epsilon,
        seed=spec.seed,
        counted=counted,
    )


def check_loaded(spec: StudySpec, workload: Workload) -> None:
    """Raise `InputError` for faults that only a loaded model shows: unknown layers to keep, limits that are too low."""
    groups, limits = study_groups(spec, workload), study_limits(spec)
    if limits:
        refuse_unreachable(limits, workload.family.costs(groups), groups)


def study_groups(spec: StudySpec, workload: Workload) -> tuple[Group, ...]:
    """Return the model's groups; groups in `keep` are frozen. Raises `InputError` for an unknown `keep` entry."""
    groups = workload.family.groups()
    try:
        return freeze(groups, frozen_groups(groups, spec.keep))
    except ConfigError as error:
        raise InputError("keep", str(error)) from error


def study_bank(spec: StudySpec, workload: Workload, groups: tuple[Group, ...], cache_dir: Path) -> Bank:
    """Return the layer bank of a study's model, criterion and calibration examples."""
    return workload.family.bank(groups, spec.criterion, cache_dir / "banks")


def _harms(
    groups: tuple[Group, ...],
    bank: Bank,
    build: Callable[[Config], nn.Module],
    dense: DenseAnswers,
    form: Form,
    report: Callable[[int, int], None],
) -> dict[str, np.ndarray]:
    path = bank.folder / f"sensitivity-{form.value}-{len(dense.screening)}-{dense.screening.hash[:12]}.json"
    whole = dense_config(groups).in_form(form)

    def divergence_of(group: str, level: int) -> float:
        return dense.divergence_of(dense.answers_of(build(whole.replaced({group: level})), dense.screening))

    measured = measure_sensitivity(groups, remembered(path, divergence_of), progress=report)
    return {group.name: harm_table(group, measured[group.name]) for group in groups}
