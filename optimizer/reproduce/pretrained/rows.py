"""Rows of pretrained networks: per configuration what it saves and what its training takes, beside the baseline.

The baseline is the dense network trained again. Time and energy of trainings that ran minutes apart do not compare on a
busy machine, so changes of an epoch are those of a step in the same rounds as the baseline's, and changes of a whole
training these times the ratio of the numbers of epochs.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict

from objectives.repeats import mean_with_interval
from optimizer.measuring.ratios import Ratio, pooled
from optimizer.reproduce.answered import difference
from optimizer.reproduce.claims import Published
from optimizer.reproduce.pretrained.preset import BASELINE, PretrainedPreset
from optimizer.reproduce.pretrained.records import PretrainedRecord
from optimizer.reproduce.rows import Difference, Figure, Measure, Row, by_seed, row_of

BySeed = Mapping[int, PretrainedRecord]


class Change(BaseModel):
    """A change against the baseline, a fraction, and its 95 % interval: over rounds of a single run, else over runs."""

    model_config = ConfigDict(frozen=True)

    mean: float
    lower: float
    upper: float

    @property
    def in_percent(self) -> str:
        """The change and its interval."""
        return f"{self.mean:+.1%} [{self.lower:+.1%}, {self.upper:+.1%}]"


class PretrainedRow(Row):
    """A configuration. `untrained_accuracy` is that of the compressed network before its training.

    `compression` is as the paper defines it; `stored_bytes` are those of the trained parameters, packed, and
    `stored_ratio` relates them to the dense ones. Energies are of the whole training; `datacenter_j` has the PUE in it.
    Changes of time and energy are None where nothing was trained. Intervals are of 95 %: of the accuracy over the
    images, of the number of epochs over the runs, None for a single one.
    """

    runs: int
    bits: float
    compression: float
    stored_bytes: float
    stored_ratio: float
    layer_min: float | None
    layer_max: float | None
    rank_min: float | None
    rank_max: float | None
    rank_mean: float | None
    split_layers: float
    untrained_accuracy: Figure
    accuracy: Figure
    accuracy_interval: tuple[float, float]
    accuracy_change: Figure
    accuracy_difference: Difference
    epochs: Figure | None
    epochs_interval: tuple[float, float] | None
    training_s: Figure | None
    training_j: Figure | None
    gpu_j: Figure | None
    cpu_j: Figure | None
    ram_j: Figure | None
    datacenter_j: Figure | None
    epoch_j: Figure | None
    epoch_time_change: Change | None
    epoch_energy_change: Change | None
    training_time_change: Change | None
    training_energy_change: Change | None
    curve: tuple[float, ...]
    energy_source: str
    examples: int
    published: tuple[Published, ...]


def rows_of(preset: PretrainedPreset, records: Sequence[PretrainedRecord]) -> tuple[PretrainedRow, ...]:
    """Return the rows of one network and data set, in the preset's order."""
    base = by_seed(records, BASELINE)
    return tuple(
        _row(preset, found, base)
        for configuration in preset.configurations
        if (found := by_seed(records, configuration.label))
    )


def _row(preset: PretrainedPreset, found: BySeed, base: BySeed) -> PretrainedRow:
    records = list(found.values())
    first = records[0]
    key = first.key
    rates = [rate for record in records for rate in record.rates.values()]
    ranks = [rank for record in records for rank in record.ranks.values()]
    printed = (value for value in preset.printed(key.model) if value.is_about(key.configuration))
    trained = next((record for record in (first, *base.values()) if record.epochs), first)
    return row_of(
        PretrainedRow,
        found,
        base,
        _measures(preset.pue),
        bits=_mean(record.bits for record in records),
        compression=_mean(record.compression for record in records),
        stored_bytes=_mean(record.stored_bytes for record in records),
        stored_ratio=_mean(record.stored_bytes / record.dense_bytes for record in records),
        layer_min=min(rates, default=None),
        layer_max=max(rates, default=None),
        rank_min=min(ranks, default=None),
        rank_max=max(ranks, default=None),
        rank_mean=statistics.fmean(ranks) if ranks else None,
        split_layers=_mean(len(record.ranks) for record in records),
        accuracy_interval=_ends(np.mean([record.correct for record in records], axis=0)),
        accuracy_difference=difference(found, base),
        epochs_interval=_ends([len(record.epochs) for record in records]),
        epoch_time_change=_change(found, base, "time", whole=False),
        epoch_energy_change=_change(found, base, "energy", whole=False),
        training_time_change=_change(found, base, "time", whole=True),
        training_energy_change=_change(found, base, "energy", whole=True),
        curve=first.search_curve,
        energy_source=trained.epochs[0].energy.source if trained.epochs else "not measured",
        published=tuple(printed),
    )


def _measures(pue: float) -> Mapping[str, Measure[PretrainedRecord]]:
    """Return how figures follow from a run; those of a training are None where there was none."""

    def of_part(name: str) -> Measure[PretrainedRecord]:
        def joules(record: PretrainedRecord, _: PretrainedRecord) -> float | None:
            parts = [part.joules for epoch in record.epochs if (part := getattr(epoch.energy, name)) is not None]
            return sum(parts) if parts else None

        return joules

    return {
        "epochs": lambda record, _: len(record.epochs) or None,
        "training_s": lambda record, _: record.training_s or None,
        "training_j": lambda record, _: record.training_j or None,
        "datacenter_j": lambda record, _: pue * record.training_j or None,
        "epoch_j": lambda record, _: record.training_j / len(record.epochs) if record.epochs else None,
        **{f"{part}_j": of_part(part) for part in ("gpu", "cpu", "ram")},
    }


def _change(found: BySeed, base: BySeed, cost: str, *, whole: bool) -> Change | None:
    """Return the change of a step's cost, or with the numbers of epochs of the whole training's."""
    ratios = []
    for seed, record in found.items():
        if record.step is None or (whole and not (record.epochs and base[seed].epochs)):
            return None
        ratio: Ratio = getattr(record.step, cost)
        times = len(record.epochs) / len(base[seed].epochs) if whole else 1.0
        ratios.append(Ratio(value=times * ratio.value, lower=times * ratio.lower, upper=times * ratio.upper))
    of_all = pooled(ratios)
    return Change(mean=of_all.value - 1, lower=of_all.lower - 1, upper=of_all.upper - 1)


def _ends(samples: ArrayLike) -> tuple[float, float] | None:
    _, interval = mean_with_interval(samples)
    return None if interval is None else (interval.lower, interval.upper)


def _mean(values: Iterable[float]) -> float:
    return statistics.fmean(values)
