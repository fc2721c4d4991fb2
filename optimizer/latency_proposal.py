"""Proposed latency and energy: tables of isolated blocks, built once per device and request shape, kept in the cache.

They steer the search where latency or energy is an objective or a limit; the truth is measured on the shortlist.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import nn

from objectives.device import device_fingerprint
from objectives.energy.modelled import ENERGY_MODELS
from objectives.guard import measuring
from objectives.latency import Run, forward_pass
from objectives.latency_table import LatencyTable, build_latency_table
from optimizer.costs import AdditiveCost, Cost, table_cost, weighted_sum
from search_spaces.config import Config, Form
from search_spaces.distributions import by_kind
from search_spaces.encoders import discover_groups, layers_path
from search_spaces.groups import Group, GroupKind
from search_spaces.surgery import share_structure, shrink

if TYPE_CHECKING:
    from optimizer.spec import StudySpec
    from optimizer.workloads.workload import Workload

SHARES = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)  # of the dense units, where blocks are timed


def add_proposed_costs(
    costs: Mapping[str, Cost], spec: StudySpec, workload: Workload, groups: tuple[Group, ...], cache_dir: Path
) -> dict[str, Cost]:
    """Return the costs with "latency" and "energy" added where the spec's objectives or limits ask for them."""
    wanted = {*spec.objectives, *(n.removesuffix("_ratio") for n, v in spec.limits.model_dump().items() if v)}
    if not wanted & {"latency", "energy"}:
        return dict(costs)
    latency = table_cost(groups, _table(spec, workload, groups, cache_dir))
    added: dict[str, Cost] = {"latency": latency} if "latency" in wanted else {}
    if "energy" in wanted:
        added["energy"] = _energy(costs, latency, spec, workload)
    return {**costs, **added}


def _energy(costs: Mapping[str, Cost], latency: AdditiveCost, spec: StudySpec, workload: Workload) -> AdditiveCost:
    """Price energy per inference: arithmetic, one reading of the weights per request, static power over its time."""
    model, batch = ENERGY_MODELS[workload.device.type], spec.batch_sizes[0]
    threads = 1 if workload.device.type == "cuda" else spec.threads or torch.get_num_threads()
    return weighted_sum(
        [
            (model.flop_j, cast("AdditiveCost", costs["flops"])),
            (model.byte_j / batch, cast("AdditiveCost", costs["size"])),
            (model.static_w * threads / batch, latency),
        ]
    )


def _table(spec: StudySpec, workload: Workload, groups: tuple[Group, ...], cache_dir: Path) -> LatencyTable:
    batch, length = spec.batch_sizes[0], workload.sequence_length
    threads = spec.threads or torch.get_num_threads()
    shape = {
        "device": device_fingerprint(workload.device),
        "dtype": str(next(workload.model.parameters()).dtype),
        "groups": [(group.name, group.units, group.unit_size) for group in groups],
        "hidden": workload.model.config.hidden_size,
        "batch": batch,
        "length": length,
        "threads": threads,
    }
    key = sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()[:24]
    path = cache_dir / "latency" / f"{key}.json"
    if path.exists():
        return LatencyTable.model_validate_json(path.read_text())
    table = _build(workload, groups, batch=batch, length=length, threads=threads)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(table.model_dump_json())
    temporary.replace(path)
    return table


def _build(workload: Workload, groups: tuple[Group, ...], *, batch: int, length: int, threads: int) -> LatencyTable:
    model, config = workload.model, workload.model.config
    request = workload.family.request(workload)
    hidden = torch.randn(batch, length, config.hidden_size, device=workload.device)

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
    """Return the first layer with `units` of one kind and nothing of the other; times do not depend on weights."""
    small = share_structure(model)
    first = [group for group in discover_groups(model) if group.layer == 0]
    shrink(small, first, Config.of({group.name: units if group.kind is kind else 0 for group in first}, Form.SLICED))
    return small.get_submodule(f"{layers_path(small)}.0").eval()
