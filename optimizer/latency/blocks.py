"""Proposed latency of an encoder: its attention and FFN blocks timed alone at a few sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from objectives.device import cpu_threads, device_fingerprint, device_of
from objectives.guard import measuring
from objectives.latency import forward_pass, waited_for
from objectives.latency_table import LatencyTable, build_latency_table
from objectives.measurement import JsonScalar
from objectives.rounds import Run
from optimizer.costs.costs import Cost, table_cost
from optimizer.costs.request import Request
from optimizer.latency.kept import kept_table
from optimizer.latency.layers import level_at
from optimizer.latency.proposed import threads_of
from optimizer.spec import StudySpec
from search_spaces.distributions import by_kind
from search_spaces.groups import Group, dense_config
from search_spaces.layouts.named import layer_paths, named_layout, width_of
from search_spaces.transforms.units.materialize import outline

VERSION = 2  # raise when other sizes are timed
SHARES = (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)  # of the dense units, the fewest first


def block_latency(
    spec: StudySpec,
    model: Any,  # Any: one transformers class per family
    groups: tuple[Group, ...],
    *,
    request: Request,
    shape: Mapping[str, JsonScalar],
    cache_dir: Path,
) -> Cost:
    """Return the seconds of a request: the sum of its blocks and a base. `shape` is what a request is known by."""
    uses = _uses(model, request(1))
    used = tuple(group for group in groups for _ in range(uses[group.layer]))
    batch, threads = spec.batch_sizes[0], threads_of(spec)
    conditions = {"batch": batch, **shape, "threads": threads}
    holds_for = {
        "device": device_fingerprint(model.device),
        "dtype": str(next(model.parameters()).dtype),
        "groups": [(group.name, group.units, group.unit_size) for group in used],
        "version": VERSION,
        "hidden": width_of(model),
        **conditions,
    }
    build = partial(_build, model, used, request(batch), threads=threads, conditions=conditions)
    return table_cost(used, kept_table(LatencyTable, holds_for, cache_dir, build))


def _build(
    model: Any,
    groups: tuple[Group, ...],
    request: Mapping[str, Tensor],
    *,
    threads: int,
    conditions: Mapping[str, JsonScalar],
) -> LatencyTable:
    inputs, named = _first_layer_inputs(model, request)

    def block(kind: str, units: int) -> Run:
        layer = _lone_layer(model, kind, units)
        return waited_for(partial(layer, *inputs, **named), model.device)

    levels = {
        kind: sorted({level_at(widest, share) for share in SHARES})
        for kind, members in by_kind(groups).items()
        for widest in (_widest(members),)
    }
    with measuring(model, threads=threads), torch.inference_mode():
        return build_latency_table(
            block,
            levels,
            run_dense=forward_pass(model, request),
            threads=cpu_threads(device_of(model)),
            dense=[(group.kind, group.units) for group in groups],
            rng=np.random.default_rng(0),
            conditions=conditions,
        )


def _lone_layer(model: nn.Module, kind: str, units: int) -> nn.Module:
    """Return the widest layer with `units` of one kind and the least of the other; weights do not matter."""
    layout = named_layout(model)
    widest = _widest(by_kind(layout.groups)[kind])
    levels = {g.name: units if g is widest else g.levels[0] for g in layout.groups if g.layer == widest.layer}
    small = outline(model, layout, dense_config(layout.groups).replaced(levels))
    return small.get_submodule(layer_paths(small)[widest.layer]).eval()


def _widest(groups: Sequence[Group]) -> Group:
    """Return the first group with the most units: an encoder that was pruned before has layers of unequal width."""
    return max(groups, key=lambda group: group.units)


def _uses(model: nn.Module, request: Mapping[str, Tensor]) -> list[int]:
    """Return how often each layer is called in a pass: architectures with shared layers call one several times."""
    calls = [0 for _ in layer_paths(model)]

    def note(index: int, *_: object) -> None:
        calls[index] += 1

    layers = [model.get_submodule(path) for path in layer_paths(model)]
    handles = [layer.register_forward_hook(partial(note, index)) for index, layer in enumerate(layers)]
    try:
        with torch.inference_mode():
            model(**request)
    finally:
        for handle in handles:
            handle.remove()
    return calls


def _first_layer_inputs(model: nn.Module, request: Mapping[str, Tensor]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return how the model calls its first layer: what a layer is given differs between architectures."""
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    layer = model.get_submodule(layer_paths(model)[0])
    handle = layer.register_forward_pre_hook(lambda _, args, named: calls.append((args, named)), with_kwargs=True)
    try:
        with torch.inference_mode():
            model(**request)
    finally:
        handle.remove()
    return calls[0]
