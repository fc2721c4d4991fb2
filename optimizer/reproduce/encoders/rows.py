"""Rows: per configuration the mean and the deviation over runs, beside the dense model and the published values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from objectives.repeats import mean_with_interval
from optimizer.families.encoders.models import SHORT_NAMES
from optimizer.reproduce.encoders.preset import EncoderPreset, MetricName, Published
from optimizer.reproduce.encoders.records import EncoderRecord
from optimizer.reproduce.figure import Figure

BySeed = Mapping[int, EncoderRecord]
WORDS = {
    "dense": "dense",
    "retrained": "dense, trained again",
    "magnitude": "Algorithm 1, trained again",
    "iterative": "Algorithm 1, p by step 5, trained again",
    "obs": "OBS and least squares, untrained, at equal FLOPs",
}


class Difference(BaseModel):
    """A difference of accuracies in points as a fraction, with its 95 % interval over the validation examples."""

    model_config = ConfigDict(frozen=True)

    mean: float
    lower: float
    upper: float


class EncoderPublished(BaseModel):
    """A published value and its place in the paper."""

    model_config = ConfigDict(frozen=True)

    metric: MetricName
    value: float
    where: str


class EncoderRow(BaseModel):
    """A configuration. Seconds, joules per inference, FLOPs; qualities and changes are fractions.

    `cpu_latency_interval` is the 95 % one of the change over the rounds of a single run; several runs have deviations.
    """

    model_config = ConfigDict(frozen=True)

    dataset: str
    model: str
    configuration: str
    method: str
    learning_rate: float
    ratio: Figure
    runs: int
    examples: int
    accuracy: Figure
    accuracy_change: Figure
    accuracy_difference: Difference
    untrained_accuracy: Figure | None
    f1: Figure
    mcc: Figure
    parameters: Figure
    parameters_change: Figure
    flops: Figure
    flops_change: Figure
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
    published: tuple[EncoderPublished, ...]

    def figure(self, metric: MetricName) -> Figure | None:
        """Return the figure that a published value is compared with, None where this machine could not take it."""
        found: Figure | None = getattr(self, metric)
        return found


def rows_of(preset: EncoderPreset, records: Sequence[EncoderRecord]) -> tuple[EncoderRow, ...]:
    """Return the rows of one model, task and learning rate, in the preset's order."""
    labels = [configuration.label for configuration in preset.configurations]
    dense = by_seed(records, labels[0])
    return tuple(_row(preset, found, dense) for label in labels if (found := by_seed(records, label)))


def by_seed(records: Sequence[EncoderRecord], label: str) -> dict[int, EncoderRecord]:
    """Return the records of a configuration by the seed of their run."""
    return {record.key.seed: record for record in records if record.key.configuration == label}


def difference(ours: BySeed, others: BySeed) -> Difference:
    """Return the accuracy of `ours` minus that of `others`, runs of the same seeds, over the same examples.

    Per example the difference is averaged over the runs, then over the examples with Student's interval: it says what
    other sentences would have changed, not what other seeds would.
    """
    each = np.mean([ours[seed].correct - others[seed].correct for seed in sorted(ours)], axis=0)
    mean, interval = mean_with_interval(each)
    if interval is None:
        raise ValueError("accuracy: an interval needs at least two validation examples")
    return Difference(mean=mean, lower=interval.lower, upper=interval.upper)


def _row(preset: EncoderPreset, found: BySeed, dense: BySeed) -> EncoderRow:
    first = next(iter(found.values()))
    configuration = next(c for c in preset.configurations if c.label == first.key.configuration)

    def figure(value: Callable[[EncoderRecord], float]) -> Figure:
        return Figure.of([value(record) for record in found.values()])

    def change(value: Callable[[EncoderRecord], float]) -> Figure:
        return figure(lambda record: value(record) / value(dense[record.key.seed]) - 1)

    return EncoderRow(
        dataset=first.key.dataset,
        model=first.key.model,
        configuration=configuration.label,
        method=WORDS[configuration.method],
        learning_rate=first.key.learning_rate,
        ratio=figure(lambda record: record.ratio),
        runs=len(found),
        examples=first.examples,
        accuracy=figure(lambda record: record.accuracy),
        accuracy_change=figure(lambda record: _without_noise(record.accuracy - dense[record.key.seed].accuracy)),
        accuracy_difference=difference(found, dense),
        untrained_accuracy=_where_known([record.untrained_accuracy for record in found.values()]),
        f1=figure(lambda record: record.f1),
        mcc=figure(lambda record: record.mcc),
        parameters=figure(lambda record: record.parameters),
        parameters_change=change(lambda record: record.parameters),
        flops=figure(lambda record: record.flops),
        flops_change=change(lambda record: record.flops),
        cpu_latency_s=figure(lambda record: record.cpu_latency_s),
        cpu_latency_change=figure(lambda record: record.cpu_latency_ratio - 1),
        cpu_latency_interval=_of_a_single_run(found),
        gpu_latency_s=_where_known([record.gpu_latency_s for record in found.values()]),
        gpu_latency_change=_where_known([_less_one(record.gpu_latency_ratio) for record in found.values()]),
        energy_j=figure(lambda record: record.energy_j),
        energy_change=figure(lambda record: record.energy_ratio - 1),
        energy_source=first.energy_source,
        energy_device=first.energy_device,
        cpu=first.cpu,
        sequence_length=first.sequence_length,
        threads=first.threads,
        training_s=figure(lambda record: record.training_s),
        published=_published(preset, first),
    )


def _published(preset: EncoderPreset, record: EncoderRecord) -> tuple[EncoderPublished, ...]:
    key = record.key
    return tuple(
        EncoderPublished(metric=value.metric, value=value.value, where=value.where)
        for value in preset.published
        if key.configuration in value.configurations and is_of(value, key.dataset, key.model)
    )


def is_of(value: Published, dataset: str, model: str) -> bool:
    """Return whether a published value is of this task and model, under any of the model's names."""
    return dataset in value.datasets and model in {*value.models, *(SHORT_NAMES.get(name) for name in value.models)}


def _of_a_single_run(found: BySeed) -> tuple[float, float] | None:
    intervals = [record.cpu_latency_interval for record in found.values()]
    if len(intervals) > 1 or intervals[0] is None:
        return None
    return intervals[0][0] - 1, intervals[0][1] - 1


def _without_noise(change: float) -> float:
    """Return a change without what floats add to it, so that none is 0 and not -0."""
    return round(change, 12) + 0.0


def _where_known(values: Sequence[float | None]) -> Figure | None:
    known = [value for value in values if value is not None]
    return Figure.of(known) if known else None


def _less_one(ratio: float | None) -> float | None:
    return None if ratio is None else ratio - 1


def short_name(model: str) -> str:
    """Return a model's name for tables and files: of a path or a hub id its last part."""
    return Path(model).name
