"""Rows: per configuration the mean and the deviation over runs, relative to the dense network, beside the paper."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from optimizer.reproduce.figure import Figure
from optimizer.reproduce.images.claims import MetricName, Published
from optimizer.reproduce.images.preset import Preset
from optimizer.reproduce.images.records import RunRecord

CARBON_G_PER_KWH = 527.93  # world average 2000–2017, section 4.3 of the paper
JOULES_PER_WH = 3600.0
DENSE = "dense"


class PublishedValue(BaseModel):
    """A published value or bound, and its place in the paper."""

    model_config = ConfigDict(frozen=True)

    metric: MetricName
    value: float | None
    at_least: float | None
    at_most: float | None
    where: str


class EpochMeans(BaseModel):
    """One epoch, as means over the runs; `validation_accuracy` is None where the preset does not ask for it."""

    model_config = ConfigDict(frozen=True)

    loss: float
    training_accuracy: float
    validation_accuracy: float | None


class Row(BaseModel):
    """A configuration. Seconds and joules; changes are fractions, accuracy in points as a fraction.

    `training_accuracy` is the highest of all epochs, `loss` that of the last one; changes of time and energy of
    training are those against the dense training of the same seed.
    """

    model_config = ConfigDict(frozen=True)

    dataset: str
    model: str
    configuration: str
    technique: str | None
    approach: str
    nominal_sparsity: float | None
    overall_sparsity: float
    pruned_weights: int
    weights: int
    runs: int
    training_examples: int
    validation_examples: int
    test_examples: int
    accuracy: Figure
    accuracy_change: Figure
    precision: Figure
    recall: Figure
    f1: Figure
    training_accuracy: Figure
    loss: Figure
    inference_s: Figure
    time_change: Figure
    inference_j: Figure
    energy_change: Figure
    efficiency_index: float
    epoch_s: Figure
    epoch_j: Figure
    training_s: Figure
    training_j: Figure
    training_time_change: Figure
    training_energy_change: Figure
    training_wh: float
    training_co2_g: float
    memory_bytes: int
    energy_source: str
    removed_neurons: float
    removed_time_change: float | None
    csr_time_change: float | None
    epochs: tuple[EpochMeans, ...]
    published: tuple[PublishedValue, ...]

    @property
    def memory_mb(self) -> Figure:
        """The peak of a training step; it is the same in every run."""
        return Figure(mean=self.memory_bytes / 1e6, deviation=None)


def rows_of(preset: Preset, records: Sequence[RunRecord]) -> tuple[Row, ...]:
    """Return the rows of one data set and model, in the preset's order.

    The Efficiency Index is 1 − (AIT/AIT_max + TIE/TIE_max)/2, the maxima over these rows; times and energies stand in
    it relative to the dense network of the same rounds, so that a busy minute of the machine makes no order.
    """
    by_label = {
        configuration.label: found
        for configuration in preset.configurations
        if (found := [record for record in records if record.key.configuration == configuration.label])
    }
    dense = {record.key.seed: record for record in by_label[DENSE]}
    times = {label: _mean(found, lambda record: record.time_ratio) for label, found in by_label.items()}
    energies = {label: _mean(found, lambda record: record.energy_ratio) for label, found in by_label.items()}
    indices = {
        label: 1 - (times[label] / max(times.values()) + energies[label] / max(energies.values())) / 2
        for label in by_label
    }
    return tuple(_row(preset, found, dense, index=indices[label]) for label, found in by_label.items())


def _row(preset: Preset, found: Sequence[RunRecord], dense: Mapping[int, RunRecord], *, index: float) -> Row:
    first = found[0]
    configuration = preset.configuration(first.key.configuration)
    joules = _mean(found, lambda record: record.training_j)
    return Row(
        dataset=first.key.dataset,
        model=first.key.model,
        configuration=configuration.label,
        technique=configuration.technique,
        approach=configuration.approach,
        nominal_sparsity=None if configuration.as_sparse_as else configuration.ratio,
        overall_sparsity=first.pruned_weights / first.weights,
        pruned_weights=first.pruned_weights,
        weights=first.weights,
        runs=len(found),
        training_examples=first.training_examples,
        validation_examples=first.validation_examples,
        test_examples=first.test_examples,
        accuracy=_figure(found, lambda record: record.accuracy),
        accuracy_change=_figure(found, lambda record: record.accuracy - dense[record.key.seed].accuracy),
        precision=_figure(found, lambda record: record.precision),
        recall=_figure(found, lambda record: record.recall),
        f1=_figure(found, lambda record: record.f1),
        training_accuracy=_figure(found, lambda record: record.training_accuracy),
        loss=_figure(found, lambda record: record.epochs[-1].loss),
        inference_s=_figure(found, lambda record: record.inference_s),
        time_change=_figure(found, lambda record: record.time_ratio - 1),
        inference_j=_figure(found, lambda record: record.inference_j),
        energy_change=_figure(found, lambda record: record.energy_ratio - 1),
        efficiency_index=index,
        epoch_s=_figure(found, lambda record: record.training_s / len(record.epochs)),
        epoch_j=_figure(found, lambda record: record.training_j / len(record.epochs)),
        training_s=_figure(found, lambda record: record.training_s),
        training_j=_figure(found, lambda record: record.training_j),
        training_time_change=_figure(found, lambda r: r.training_s / dense[r.key.seed].training_s - 1),
        training_energy_change=_figure(found, lambda r: r.training_j / dense[r.key.seed].training_j - 1),
        training_wh=joules / JOULES_PER_WH,
        training_co2_g=joules / JOULES_PER_WH / 1000 * CARBON_G_PER_KWH,
        memory_bytes=round(_mean(found, lambda record: record.memory_bytes)),
        energy_source=first.energy_source,
        removed_neurons=_mean(found, lambda record: record.removed_neurons),
        removed_time_change=_change(record.removed_ratio for record in found),
        csr_time_change=_change(record.csr_ratio for record in found),
        epochs=tuple(_epoch_means(found, index) for index in range(first.key.epochs)),
        published=tuple(_published(value) for value in preset.published if _is_about(value, first)),
    )


def _is_about(value: Published, record: RunRecord) -> bool:
    key = record.key
    return value.is_about(key.configuration) and key.dataset in value.datasets and key.model in value.models


def _published(value: Published) -> PublishedValue:
    return PublishedValue.model_validate(value.model_dump(exclude={"datasets", "models", "configuration"}))


def _epoch_means(found: Sequence[RunRecord], index: int) -> EpochMeans:
    epochs = [record.epochs[index] for record in found]
    validated = [epoch.validation_accuracy for epoch in epochs if epoch.validation_accuracy is not None]
    return EpochMeans(
        loss=statistics.fmean(epoch.loss for epoch in epochs),
        training_accuracy=statistics.fmean(epoch.training_accuracy for epoch in epochs),
        validation_accuracy=statistics.fmean(validated) if validated else None,
    )


def _figure(found: Iterable[RunRecord], value: Callable[[RunRecord], float]) -> Figure:
    return Figure.of([value(record) for record in found])


def _mean(found: Iterable[RunRecord], value: Callable[[RunRecord], float]) -> float:
    return statistics.fmean(value(record) for record in found)


def _change(ratios: Iterable[float | None]) -> float | None:
    """Return the mean change of time over the runs that have one, None where none has."""
    known = [ratio - 1 for ratio in ratios if ratio is not None]
    return statistics.fmean(known) if known else None
