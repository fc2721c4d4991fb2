"""Proposing: the latency by which candidates are proposed, where another backend than torch runs them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from torch import nn

from objectives.device import device_fingerprint
from objectives.latency import run_conditions
from optimizer.backends.names import GRAPHS, PROPOSES, TORCH
from optimizer.backends.running import Backends
from optimizer.latency.computed import Computed
from optimizer.latency.fitted import NETWORKS, VERSION, FittedLatency, FittedTable, fit_table
from optimizer.latency.kept import kept_table
from optimizer.latency.proposed import threads_of
from optimizer.pipeline import Pipeline, described
from optimizer.spec import StudySpec
from search_spaces.config import Config
from search_spaces.layouts.layout import Side
from search_spaces.transforms.table import BITS

LAYERS = (nn.Linear, nn.Conv2d, nn.Embedding)


def fitted_latency(spec: StudySpec, pipeline: Pipeline, backends: Backends, cache_dir: Path) -> FittedLatency | None:
    """Return the seconds of a request in the backend other than torch, None where it does not propose candidates."""
    others = {name: model for name, model in backends.dense_runs().items() if name in PROPOSES}
    if not others:
        return None
    family, dense, groups = pipeline.workload.family, pipeline.dense.model, pipeline.groups
    (backend, there), batch, threads = next(iter(others.items())), spec.batch_sizes[0], threads_of(spec)
    computes = computed_of(pipeline, batch)
    holds_for = {
        "device": device_fingerprint(pipeline.workload.device),
        "backend": run_conditions(there),
        "graphs": GRAPHS,
        "version": VERSION,
        "network": str(dense),
        "transforms": list(pipeline.names),
        "groups": [(group.name, list(group.levels)) for group in groups],
        "request": [*family.conditions().items()],
        "batch": batch,
        "threads": threads,
    }

    def runs(config: Config) -> nn.Module:
        merged = pipeline.merged(config)
        pipeline.fill_for(merged)
        return backends.run_in(backend, pipeline.build(merged))

    build = partial(fit_table, groups, computes, runs, dense, family.request()(batch), threads=threads)
    table = kept_table(FittedTable, holds_for, cache_dir, build)
    return FittedLatency(groups, computes, table) if proposes(table, backends.names, pipeline.names) else None


def proposes(table: FittedTable, backends: Sequence[str], transforms: Sequence[str]) -> bool:
    """Whether candidates are proposed by their seconds in a backend other than torch.

    They are where torch is not named, where the dense model is faster there, and where weights may have few bits:
    torch computes with them in floats, so its table would price 8 bits like 32.
    """
    return TORCH not in backends or table.here < table.dense or BITS in transforms


def note_of(latency: FittedLatency) -> str:
    """Return how far predicted latencies are off, in words."""
    table = latency.table
    lacking = NETWORKS - table.networks
    unable = f" ({lacking} more could not be run there)" if lacking > 0 else ""
    return (
        f"predicted latency is fitted to {table.networks} timed networks{unable}; of networks that were left out it "
        f"was off by {table.median_error:.0%} in the median and {table.largest_error:.0%} at most"
    )


def computed_of(pipeline: Pipeline, batch: int) -> Computed:
    """Return what counts the work of a request of so many examples by its config."""
    model, family = pipeline.dense.model, pipeline.workload.family
    paths = [path for path, layer in model.named_modules() if isinstance(layer, LAYERS)]
    each = family.requests.positions(model, paths, [family.requests.length])

    def left(config: Config) -> dict[Side, int]:
        found: dict[Side, int] = {}
        for step in pipeline.steps:
            found |= step.source.left(config.part(step.under))
        return found

    positions = {path: batch * each[path] for path in paths}
    return Computed(model, positions, left, partial(described, model, pipeline.steps))
