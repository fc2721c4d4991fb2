"""Rows of networks pruned by lists: what is counted and what was timed, each beside what was published."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from optimizer.measuring.ratios import Ratio, pooled
from optimizer.reproduce.listed.execute import FLOPS_PER_MAC
from optimizer.reproduce.listed.preset import ListedPreset, Network, Pruning
from optimizer.reproduce.listed.records import BatchRecord, ListedRecord
from optimizer.reproduce.rows import Row

NOT_TIMED = "not measured"


class BatchRow(BaseModel):
    """One batch size: images per second, joules of an image, and ratios to the unpruned network of the same rounds.

    What is published is of an RTX 3080, None for a batch size that the published table lacks.
    """

    model_config = ConfigDict(frozen=True)

    batch: int
    fps: float
    unpruned_fps: float
    time: Ratio
    energy_j: float
    unpruned_energy_j: float
    energy: Ratio
    energy_source: str
    published_fps: float | None
    published_energy_j: float | None
    published_energy_ratio: float | None


class ListedRow(Row):
    """A network. `flops` are twice the `macs`; `cr_…` are the percents that are gone, as the paper rounds them.

    `distribution` is empty and `ratio` 0 for the unpruned network; `batches` are empty where it was not timed.
    """

    distribution: str
    ratio: int
    macs: int
    flops: int
    parameters: int
    published_macs: int
    published_parameters: int
    flops_equal: bool
    parameters_equal: bool
    cr_flops_percent: int
    cr_parameters_percent: int
    batches: tuple[BatchRow, ...]
    energy_source: str
    device: str | None
    runs: int


def rows_of(preset: ListedPreset, records: Sequence[ListedRecord]) -> tuple[ListedRow, ...]:
    """Return the rows of one network, in the preset's order."""
    found: dict[str, list[ListedRecord]] = {}
    for record in records:
        found.setdefault(record.key.configuration, []).append(record)
    return tuple(_row(preset, runs) for runs in found.values())


def _row(preset: ListedPreset, runs: Sequence[ListedRecord]) -> ListedRow:
    first = runs[0]
    network, pruning = preset.network(first.key.model), preset.pruning(first.key.configuration)
    macs, parameters = _published_counts(preset, network, pruning)
    batches = tuple(_batch(preset, network, pruning, each) for each in zip(*(run.batches for run in runs), strict=True))
    return ListedRow(
        dataset=first.key.dataset,
        model=first.key.model,
        configuration=first.key.configuration,
        distribution=pruning.distribution if pruning else "",
        ratio=pruning.ratio if pruning else 0,
        macs=first.macs,
        flops=FLOPS_PER_MAC * first.macs,
        parameters=first.parameters,
        published_macs=macs,
        published_parameters=parameters,
        flops_equal=first.macs == macs,
        parameters_equal=first.parameters == parameters,
        cr_flops_percent=round(100 - 100 * first.macs / network.macs),
        cr_parameters_percent=round(100 - 100 * first.parameters / network.parameters),
        batches=batches,
        energy_source=batches[0].energy_source if batches else NOT_TIMED,
        device=first.device,
        runs=len(runs),
    )


def _published_counts(preset: ListedPreset, network: Network, pruning: Pruning | None) -> tuple[int, int]:
    if pruning is None:
        return network.macs, network.parameters
    series, place = network.of(pruning.distribution), preset.ratios.index(pruning.ratio)
    return series.macs[place], series.parameters[place]


def _batch(preset: ListedPreset, network: Network, pruning: Pruning | None, runs: Sequence[BatchRecord]) -> BatchRow:
    batch, theirs = runs[0].batch, _published(preset, network, pruning, runs[0].batch)
    return BatchRow(
        batch=batch,
        fps=batch / statistics.fmean(run.seconds for run in runs),
        unpruned_fps=batch / statistics.fmean(run.unpruned_seconds for run in runs),
        time=pooled([run.time for run in runs]),
        energy_j=statistics.fmean(run.energy_j for run in runs),
        unpruned_energy_j=statistics.fmean(run.unpruned_energy_j for run in runs),
        energy=pooled([run.energy for run in runs]),
        energy_source=runs[0].energy_source,
        **theirs,
    )


def _published(preset: ListedPreset, network: Network, pruning: Pruning | None, batch: int) -> dict[str, float | None]:
    if pruning is None or batch not in preset.batch_sizes:
        return {"published_fps": None, "published_energy_j": None, "published_energy_ratio": None}
    at, series, place = (
        preset.batch_sizes.index(batch),
        network.of(pruning.distribution),
        preset.ratios.index(pruning.ratio),
    )
    joules = series.energy_j[at][place]
    return {
        "published_fps": series.fps[at][place],
        "published_energy_j": joules,
        "published_energy_ratio": joules / network.energy_j[at],
    }
