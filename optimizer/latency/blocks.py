"""Proposed latency of a text encoder: its attention and FFN blocks timed alone at a few sizes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from objectives.device import device_fingerprint
from objectives.guard import measuring
from objectives.latency import Run, forward_pass
from objectives.latency_table import LatencyTable, build_latency_table
from optimizer.costs import Cost, table_cost
from optimizer.latency.kept import kept_table
from optimizer.latency.proposed import threads_of
from optimizer.request import Request
from optimizer.spec import StudySpec
from search_spaces.config import Config, Form
from search_spaces.distributions import by_kind
from search_spaces.encoders import discover_groups, layers_path
from search_spaces.groups import Group, GroupKind
from search_spaces.surgery import share_structure, shrink

SHARES = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)  # of the dense units, where blocks are timed


def block_latency(
    spec: StudySpec, model: Any, groups: tuple[Group, ...], *, request: Request, length: int, cache_dir: Path
) -> Cost:  # Any: one transformers class per family
    """Return the seconds of a request: the sum of its blocks and a base."""
    conditions = {
        "batch": spec.batch_sizes[0],
        "length": length,
        "threads": threads_of(spec),
    }
    holds_for = {
        "device": device_fingerprint(model.device),
        "dtype": str(next(model.parameters()).dtype),
        "groups": [(group.name, group.units, group.unit_size) for group in groups],
        "hidden": model.config.hidden_size,
        **conditions,
    }
    build = partial(_build, model, groups, request, **conditions)
    return table_cost(groups, kept_table(LatencyTable, holds_for, cache_dir, build))


def _build(
    model: Any, groups: tuple[Group, ...], request: Request, *, batch: int, length: int, threads: int
) -> LatencyTable:
    hidden = torch.randn(batch, length, model.config.hidden_size, device=model.device)

    def block(kind: str, units: int) -> Run:
        layer = _lone_layer(model, GroupKind(kind), units)

        def run() -> None:
            layer(hidden, None)

        return run

    levels = {
        kind.value: sorted({members[0].nearest_level(share * members[0].units) for share in SHARES} - {0})
        for kind, members in by_kind(groups).items()
    }
    with measuring(model, threads=threads), torch.inference_mode():
        return build_latency_table(
            block,
            levels,
            run_dense=forward_pass(model, request(batch)),
            dense=[(group.kind.value, group.units) for group in groups],
            rng=np.random.default_rng(0),
            conditions={"batch": batch, "length": length, "threads": threads},
        )


def _lone_layer(model: nn.Module, kind: GroupKind, units: int) -> nn.Module:
    """Return the first layer with `units` of one kind and without the other; times are independent of the weights."""
    small = share_structure(model)
    first = [group for group in discover_groups(model) if group.layer == 0]
    shrink(small, first, Config.of({group.name: units if group.kind is kind else 0 for group in first}, Form.SLICED))
    return small.get_submodule(f"{layers_path(small)}.0").eval()
