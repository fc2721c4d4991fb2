"""Rows of encoders: per configuration the mean and the deviation over runs, beside the dense model."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from optimizer.families.encoders.models import SHORT_NAMES
from optimizer.reproduce.answered import difference
from optimizer.reproduce.claims import Published
from optimizer.reproduce.encoders.preset import EncoderConfiguration, EncoderPreset
from optimizer.reproduce.encoders.records import EncoderRecord
from optimizer.reproduce.rows import Difference, Figure, Measure, Row, accuracy_relative, by_seed, row_of

SEEN = ("training_loss", "validation_loss", "accuracy", "f1")
BySeed = Mapping[int, EncoderRecord]
WORDS = {
    "dense": "dense",
    "retrained": "dense, trained again",
    "magnitude": "Algorithm 1, trained again",
    "iterative": "Algorithm 1, p by step 5, trained again",
    "weights": "Algorithm 1 as printed: single weights, trained again",
    "set": "SET: random weights, trained again",
    "obs": "OBS and least squares, untrained, at equal FLOPs",
}
MEASURES: Mapping[str, Measure[EncoderRecord]] = {
    "accuracy_relative": accuracy_relative,
    "parameters_change": lambda record, dense: record.parameters / dense.parameters - 1,
    "flops_change": lambda record, dense: record.flops / dense.flops - 1,
    "cpu_latency_change": lambda record, _: record.cpu_latency_ratio - 1,
    "gpu_latency_change": lambda record, _: None if record.gpu_latency_ratio is None else record.gpu_latency_ratio - 1,
    "energy_change": lambda record, _: record.energy_ratio - 1,
    "validation_loss": lambda record, _: record.curve[-1].validation_loss if record.curve else None,
}


class CurveMeans(BaseModel):
    """A point of the curve of a training, as means over the runs; the losses are cross-entropies."""

    model_config = ConfigDict(frozen=True)

    step: int
    training_loss: float
    validation_loss: float
    accuracy: float
    f1: float


class EncoderRow(Row):
    """A configuration. Energy is of one inference.

    `cpu_latency_interval` is the 95 % one of the change over the rounds of a single run; several runs have deviations.
    `accuracy_difference` has its interval over the validation examples. What this machine could not measure is None.
    """

    method: str
    learning_rate: float
    ratio: Figure
    runs: int
    examples: int
    accuracy: Figure
    accuracy_change: Figure
    accuracy_relative: Figure | None
    accuracy_difference: Difference
    untrained_accuracy: Figure | None
    f1: Figure
    f1_weighted: Figure | None
    mcc: Figure
    validation_loss: Figure | None
    parameters: Figure
    parameters_change: Figure
    zeroed: Figure | None
    flops: Figure
    flops_change: Figure
    padded_macs: Figure | None
    cpu_latency_s: Figure
    cpu_latency_change: Figure
    cpu_latency_interval: tuple[float, float] | None
    gpu_latency_s: Figure | None
    gpu_latency_change: Figure | None
    energy_j: Figure
    energy_change: Figure
    energy_source: str
    energy_device: str
    cpu: str
    sequence_length: int
    threads: int
    training_s: Figure
    training_curve: tuple[CurveMeans, ...]
    published: tuple[Published, ...]


def rows_of(preset: EncoderPreset, records: Sequence[EncoderRecord]) -> tuple[EncoderRow, ...]:
    """Return the rows of one model, task and learning rate, in the preset's order."""
    dense = by_seed(records, preset.configurations[0].label)
    return tuple(
        _row(preset, configuration, found, dense)
        for configuration in preset.configurations
        if (found := by_seed(records, configuration.label))
    )


def is_of(value: Published, dataset: str, model: str) -> bool:
    """Return whether a published value is of this task and model, under any of the model's names."""
    return dataset in value.datasets and model in {*value.models, *(SHORT_NAMES.get(name) for name in value.models)}


def _row(preset: EncoderPreset, configuration: EncoderConfiguration, found: BySeed, dense: BySeed) -> EncoderRow:
    key = next(iter(found.values())).key
    of_it = [value for value in preset.published if value.is_about(key.configuration)]
    return row_of(
        EncoderRow,
        found,
        dense,
        MEASURES,
        method=_method(configuration),
        training_curve=_curve(found),
        accuracy_difference=difference(found, dense),
        cpu_latency_interval=_of_a_single_run(found),
        published=tuple(value for value in of_it if is_of(value, key.dataset, key.model)),
    )


def _method(configuration: EncoderConfiguration) -> str:
    where = "" if configuration.scope == "global" else ", of all blocks but the first and the last"
    return WORDS[configuration.method] + where


def _curve(found: BySeed) -> tuple[CurveMeans, ...]:
    """Return the points that every run has."""
    curves = [record.curve for record in found.values()]
    return tuple(
        CurveMeans(step=points[0].step, **{name: statistics.fmean(getattr(p, name) for p in points) for name in SEEN})
        for points in zip(*curves, strict=False)
    )


def _of_a_single_run(found: BySeed) -> tuple[float, float] | None:
    intervals = [record.cpu_latency_interval for record in found.values()]
    if len(intervals) > 1 or intervals[0] is None:
        return None
    return intervals[0][0] - 1, intervals[0][1] - 1
