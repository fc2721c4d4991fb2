"""Prepare: everything that is computed once per model and reused: groups, rankings, sensitivities, costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.linalg import helmert
from torch import Tensor, nn

from objectives.flops import count_flops
from objectives.size import count_parameters, size_bytes
from optimizer.costs import AdditiveCost, flops_cost, linear_cost, parameters_cost
from optimizer.errors import InputError
from optimizer.evaluate import DenseAnswers, Evaluator
from optimizer.latency_proposal import add_proposed_costs
from optimizer.progress import Stages
from optimizer.search.space import Space
from optimizer.sensitivity import harm_table, measure_sensitivity
from optimizer.spec import StudySpec
from optimizer.workloads.examples import Examples
from optimizer.workloads.predict import predict
from optimizer.workloads.workload import Workload
from search_spaces.bank.bank import LayerBank
from search_spaces.bank.key import BankKey
from search_spaces.bank.passes import Batch
from search_spaces.config import Config, ConfigError, Form
from search_spaces.criteria import CRITERIA
from search_spaces.criteria.obs import DAMPING
from search_spaces.encoders import discover_groups
from search_spaces.groups import Group, freeze, frozen_groups
from search_spaces.materialize import materialize

CALIBRATION_BATCH = 64
CALIBRATION_TOKENS = 2048


@dataclass(frozen=True)
class Prepared:
    """What the search works with."""

    workload: Workload
    groups: tuple[Group, ...]
    bank: LayerBank
    space: Space
    evaluator: Evaluator

    build: Callable[[Config], nn.Module]  # a model of a config, sharing untouched weights with the dense one


def prepare(spec: StudySpec, workload: Workload, *, cache_dir: Path, stages: Stages) -> Prepared:
    """Return everything the search needs, computing what no earlier study of this model left in the cache.

    Raises `InputError` for a `keep` entry that names no layer.
    """
    groups = study_groups(spec, workload.model)
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
            small: nn.Module = materialize(workload.model, groups, config, bank, share_weights=True)
        return small

    with stages.stage("sensitivity") as report:
        harms = _harms(groups, bank, build, dense, form, report)
    costs = _costs(workload, groups)
    with stages.stage("tables"):
        costs = add_proposed_costs(costs, spec, workload, groups, cache_dir)
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


def study_groups(spec: StudySpec, model: nn.Module) -> tuple[Group, ...]:
    """Return the model's groups, those that the spec keeps dense frozen. Raises `InputError` for `keep`."""
    groups = discover_groups(model)
    try:
        return freeze(groups, frozen_groups(groups, spec.keep))
    except ConfigError as error:
        raise InputError("--keep", str(error)) from error


def study_bank(spec: StudySpec, workload: Workload, groups: tuple[Group, ...], cache_dir: Path) -> LayerBank:
    """Return the layer bank of a study's model, criterion and calibration examples."""
    criterion = CRITERIA[spec.criterion]
    examples = workload.calibration
    key = BankKey(
        weights=workload.weights_hash,
        examples=examples.hash,
        criterion=criterion.name,
        damping=DAMPING,
        dtype=str(next(workload.model.parameters()).dtype),
    )
    return LayerBank(
        cache_dir / "banks",
        key,
        model=workload.model,
        groups=groups,
        criterion=criterion,
        calibration=lambda: examples.batches(batch_size=_calibration_batch(examples), device=workload.device),
        loss=summed_loss,
        answers=contrasts,
    )


def _calibration_batch(examples: Examples) -> int:
    """Return how many examples go through the model at once: a backward pass holds what every layer made of them."""
    return max(1, min(CALIBRATION_BATCH, CALIBRATION_TOKENS // int(examples.lengths.max())))


def summed_loss(model: nn.Module, batch: Batch) -> Tensor:
    """Return the loss of a batch summed over its examples: cross-entropy, or squared error for one output."""
    logits = _logits(model, batch)
    if logits.shape[1] == 1:
        return torch.nn.functional.mse_loss(logits[:, 0], batch["labels"].to(logits.dtype), reduction="sum")
    return torch.nn.functional.cross_entropy(logits, batch["labels"], reduction="sum")


def contrasts(model: nn.Module, batch: Batch) -> Tensor:
    """Return what the logits tell apart: orthonormal contrasts `(batch, classes - 1)`, or a regression's one output.

    A softmax does not see what all logits have in common, so no gradient should be spent on it.
    """
    logits = _logits(model, batch)
    classes = logits.shape[1]
    return logits if classes == 1 else logits @ torch.from_numpy(helmert(classes)).to(logits).T


def _logits(model: nn.Module, batch: Batch) -> Tensor:
    logits: Tensor = model(**{name: value for name, value in batch.items() if name != "labels"}).logits
    return logits


def _costs(workload: Workload, groups: tuple[Group, ...]) -> dict[str, AdditiveCost]:
    model = workload.model
    parameters = parameters_cost(model, groups, count_parameters(model))
    bytes_each = next(model.parameters()).element_size()
    per_unit = {g.name: bytes_each * (parameters.levels[g.name][g.units] / g.units) for g in groups}
    return {
        "flops": flops_cost(model, groups, workload.search.lengths, count_flops(model, workload.search.lengths)),
        "parameters": parameters,
        "size": linear_cost(groups, per_unit, float(size_bytes(model))),
    }


def _harms(
    groups: tuple[Group, ...],
    bank: LayerBank,
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
