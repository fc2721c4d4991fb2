"""Prepare: everything that is computed once per model and reused: groups, rankings, sensitivities, costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from optimizer.errors import InputError
from optimizer.evaluate import DenseAnswers, Evaluator
from optimizer.families.family import Bank
from optimizer.progress import Stages
from optimizer.search.space import Space
from optimizer.sensitivity import harm_table, measure_sensitivity
from optimizer.spec import StudySpec
from optimizer.workloads.predict import predict
from optimizer.workloads.workload import Workload
from search_spaces.config import Config, ConfigError, Form
from search_spaces.groups import Group, freeze, frozen_groups


@dataclass(frozen=True)
class Prepared:
    """What the search works with."""

    workload: Workload
    groups: tuple[Group, ...]
    bank: Bank
    space: Space
    evaluator: Evaluator

    build: Callable[[Config], nn.Module]  # a model of a config, sharing untouched weights with the dense one


def prepare(spec: StudySpec, workload: Workload, *, cache_dir: Path, stages: Stages) -> Prepared:
    """Return everything the search needs, computing what no earlier study of this model left in the cache.

    Raises `InputError` for a `keep` entry that names no layer.
    """
    groups = study_groups(spec, workload)
    form = Form.RECONSTRUCTED if spec.reconstruct else Form.SLICED
    bank = study_bank(spec, workload, groups, cache_dir)
    with stages.stage("baseline"):
        dense = DenseAnswers.on(workload.search, workload.search_logits)
    with stages.stage("bank") as report:
        bank.fill_rankings(report)

    def build(config: Config) -> nn.Module:
        if config.form is Form.RECONSTRUCTED:
            with stages.part("bank"):
                bank.fill_levels(config.as_dict())
        with stages.part("stitch"):
            return workload.family.materialize(workload, groups, config, bank, share_weights=True)

    with stages.stage("sensitivity") as report:
        harms = _harms(groups, bank, build, dense, form, report)
    costs = workload.family.costs(workload, groups)
    with stages.stage("tables"):
        costs = workload.family.with_proposed_costs(costs, spec, workload, groups=groups, cache_dir=cache_dir)
    limits = {name.removesuffix("_ratio"): limit for name, limit in spec.limits.model_dump().items() if limit}
    space = Space(groups, form, costs, harms, limits)
    evaluator = Evaluator(
        space=space,
        build=build,
        dense=dense,
        metric=workload.metric,
        epsilon=spec.epsilon,
        seed=spec.seed,
    )
    return Prepared(workload, groups, bank, space, evaluator, build)


def study_groups(spec: StudySpec, workload: Workload) -> tuple[Group, ...]:
    """Return the model's groups, those that the spec keeps dense frozen. Raises `InputError` for `keep`."""
    groups = workload.family.groups(workload)
    try:
        return freeze(groups, frozen_groups(groups, spec.keep))
    except ConfigError as error:
        raise InputError("--keep", str(error)) from error


def study_bank(spec: StudySpec, workload: Workload, groups: tuple[Group, ...], cache_dir: Path) -> Bank:
    """Return the layer bank of a study's model, criterion and calibration examples."""
    return workload.family.bank(workload, groups, spec.criterion, cache_dir / "banks")


def _harms(
    groups: tuple[Group, ...],
    bank: Bank,
    build: Callable[[Config], nn.Module],
    dense: DenseAnswers,
    form: Form,
    report: Callable[[int, int], None],
) -> dict[str, np.ndarray]:
    path = bank.folder / f"sensitivity-{form.value}-{len(dense.screening.labels)}-{dense.screening.hash[:12]}.json"
    if path.exists():
        stored = json.loads(path.read_text())
        measured = {name: {int(level): value for level, value in table.items()} for name, table in stored.items()}
    else:
        measured = measure_sensitivity(
            groups,
            lambda config: dense.divergence_of(predict(build(config), dense.screening)),
            form=form,
            progress=report,
        )
        temporary = path.with_suffix(".tmp")
        temporary.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(measured))
        temporary.replace(path)
    return {group.name: harm_table(group, measured[group.name]) for group in groups}
