"""Pruning an encoder by a configuration: the published algorithm with its step 5, and this project's own way."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, cast

from torch import nn

from objectives.metrics.classification import correct
from objectives.statistics import within_epsilon
from optimizer.errors import InputError
from optimizer.families.encoders.family import EncoderFamily
from optimizer.pipeline import Pipeline
from optimizer.predict import predict
from optimizer.preparation.prepare import prepare
from optimizer.progress import Stages, ignore
from optimizer.reproduce.encoders.preset import EncoderConfiguration
from optimizer.search.iterative import next_tenths, pruned_config
from optimizer.search.space import Space
from optimizer.spec import CriterionName, StudySpec
from optimizer.training.under import Under
from optimizer.workload import Workload
from search_spaces.transforms.masks.choose import magnitude_scores, without_weakest
from search_spaces.transforms.masks.layers import maskable_layers
from search_spaces.transforms.masks.masks import Masks
from search_spaces.transforms.masks.schedules.table import SCHEDULES
from search_spaces.transforms.masks.target import ScopeName, Target
from search_spaces.transforms.table import UNITS

CRITERION: CriterionName = "magnitude-l1"  # step 1, III: the smallest magnitudes
TRAINED = ("retrained", "magnitude", "iterative", "weights", "set")


def prune(
    configuration: EncoderConfiguration, workload: Workload, spec: StudySpec, cache_dir: Path
) -> tuple[Any, float]:
    """Return the model of a configuration, of its own weights where it is trained after, and the share of units gone.

    Any: one transformers class per family. The dense model is left as it is.
    """
    match configuration.method:
        case "dense":
            return workload.model, 0.0
        case "retrained":
            return copy.deepcopy(workload.model), 0.0
        case "magnitude":
            return by_magnitude(workload, configuration.ratio, cache_dir), configuration.ratio
        case "iterative":
            ratio = largest_ratio(workload, spec.tolerance, cache_dir)
            return by_magnitude(workload, ratio, cache_dir), ratio
        case "weights":
            model = copy.deepcopy(workload.model)
            layers = maskable_layers(model)
            target = target_of(configuration, workload)
            Masks(model).set(without_weakest(layers, magnitude_scores(layers), target))
            return model, configuration.ratio
        case "set":
            return copy.deepcopy(workload.model), configuration.ratio
        case "obs":
            return by_reconstruction(workload, configuration.ratio, spec, cache_dir), configuration.ratio


def under(configuration: EncoderConfiguration, workload: Workload) -> Under | None:
    """Return the masks that a configuration is trained under, None for one without.

    The smallest weights go again when the training starts: they are those that `prune` has zeroed.
    """
    match configuration.method:
        case "weights":
            return Under(SCHEDULES["pre-training"](), target_of(configuration, workload))
        case "set":
            return Under(SCHEDULES["set"](), target_of(configuration, workload))
        case _:
            return None


def target_of(configuration: EncoderConfiguration, workload: Workload) -> Target:
    """Return how many weights of which linear layers masks remove. Raises `InputError` for too few blocks."""
    if configuration.scope == "global":
        scope: ScopeName = "one-ranking" if configuration.method == "weights" else "uniform"
        return Target(scope=scope, ratio=configuration.ratio)
    return Target(scope="per-layer", ratios=dict.fromkeys(_hidden(workload), configuration.ratio))


def _hidden(workload: Workload) -> list[str]:
    """Return the linear layers of all blocks but the first and the last."""
    groups = cast("EncoderFamily", workload.family).layout.groups
    last = max(group.layer for group in groups)
    hidden = [group for group in groups if 0 < group.layer < last]
    if not hidden:
        raise InputError("model", f"layer-wise masks leave out the first and the last block; it has {last + 1} in all")
    known = maskable_layers(workload.model)
    named = [name for group in hidden for name in (*group.producers, *group.consumers) if name in known]
    return list(dict.fromkeys(named))


def by_magnitude(workload: Workload, ratio: float, cache_dir: Path) -> nn.Module:
    """Return step 1: the model without `ratio` of every layer's heads and neurons, the smallest in magnitude."""
    pipeline = Pipeline(workload, (UNITS,), criterion=CRITERION, root=cache_dir / "banks")
    return pipeline.build(pruned_config(pipeline.groups, ratio), share_weights=False)


def largest_ratio(workload: Workload, epsilon: float, cache_dir: Path) -> float:
    """Return step 5: the largest p whose accuracy on the search examples stays within ε, 0 where none does.

    Nothing is trained inside the loop: the algorithm as printed adjusts p and looks again.
    """
    task, examples, labels = workload.task, workload.search, workload.search.labels
    dense = int(correct(task.predictions(workload.search_answers, examples), labels).sum())
    held: dict[int, bool] = {}
    while (tenths := next_tenths(held)) is not None:
        small = by_magnitude(workload, tenths / 10, cache_dir)
        found = int(correct(task.predictions(predict(small, examples, task), examples), labels).sum())
        held[tenths] = within_epsilon(dense, found, len(labels), epsilon)  # the net loss is all that counts
    return max((tenths for tenths, holds in held.items() if holds), default=0) / 10


def by_reconstruction(workload: Workload, ratio: float, spec: StudySpec, cache_dir: Path) -> nn.Module:
    """Return this project's way at the FLOPs that `by_magnitude` leaves: OBS ranking, levels by sensitivity, least
    squares; nothing is trained."""
    prepared = prepare(spec, workload, cache_dir=cache_dir, stages=Stages(ignore, lambda _: None))
    space = cast("Space", prepared.space)  # of units, as an encoder's is
    return prepared.build(space.optimal(space.costs["flops"].ratio(pruned_config(prepared.groups, ratio))))
