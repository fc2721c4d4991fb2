"""Rows of images: per configuration the mean and the deviation over runs, and the published orders, tested."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

from pydantic import BaseModel, ConfigDict

from optimizer.reproduce.claims import Published
from optimizer.reproduce.images.preset import ImagePreset
from optimizer.reproduce.images.records import ImageRecord
from optimizer.reproduce.rows import Difference, Figure, Measure, Row, accuracy_relative, by_seed, row_of
from optimizer.views.accounts import JOULES_PER_WH
from optimizer.views.footprint import WORLD, grams_of

GRID = WORLD["world-2000-2017"]  # section 4.3 of the paper
DENSE = "dense"
HOLDS, REVERSED = "the published order holds", "the published order is reversed"
ABOVE, BELOW = "the first is above", "the first is below"  # of what the paper does not compare
BySeed = Mapping[int, ImageRecord]


def own_training(measure: Measure[ImageRecord]) -> Measure[ImageRecord]:
    """Return a measure of training against dense, which there is none of where the training is the dense one."""
    return lambda record, dense: None if record.trained_as_dense else measure(record, dense)


MEASURES: Mapping[str, Measure[ImageRecord]] = {
    "accuracy_relative": accuracy_relative,
    "loss": lambda record, _: record.epochs[-1].loss,
    "time_change": lambda record, _: record.time_ratio - 1,
    "energy_change": lambda record, _: record.energy_ratio - 1,
    "epoch_s": lambda record, _: record.training_s / len(record.epochs),
    "epoch_j": lambda record, _: record.training_j / len(record.epochs),
    "training_time_change": own_training(lambda record, dense: record.training_s / dense.training_s - 1),
    "training_energy_change": own_training(lambda record, dense: record.training_j / dense.training_j - 1),
}


class EpochMeans(BaseModel):
    """One epoch, as means over the runs; `validation_accuracy` is None where the preset does not ask for it."""

    model_config = ConfigDict(frozen=True)

    loss: float
    training_accuracy: float
    validation_accuracy: float | None


class ImageRow(Row):
    """A configuration. Changes are fractions against dense, `accuracy_change` in points, `accuracy_relative` of dense.

    `training_j_ends` are the least and the most of all runs. `training_accuracy` is the highest of all epochs, `loss`
    that of the last one; changes of time and energy of training are those against the dense training of the same seed,
    None where there was no other.
    """

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
    training_precision: str
    accuracy: Figure
    accuracy_change: Figure
    accuracy_relative: Figure | None
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
    training_j_ends: tuple[float, float]
    training_time_change: Figure | None
    training_energy_change: Figure | None
    training_wh: float
    training_co2_g: float
    memory_bytes: int
    energy_source: str
    removed_neurons: float
    removed_time_change: float | None
    csr_time_change: float | None
    epochs: tuple[EpochMeans, ...]
    published: tuple[Published, ...]

    @property
    def loss_rises(self) -> int:
        """How many epochs have a mean loss above that of the epoch before."""
        return sum(after.loss > before.loss for before, after in pairwise(self.epochs))

    @property
    def accuracy_spread(self) -> float | None:
        """The standard deviation of accuracy over the runs, of its mean."""
        return _spread(self.accuracy)

    @property
    def time_spread(self) -> float | None:
        """The same of inference time."""
        return _spread(self.inference_s)

    @property
    def energy_spread(self) -> float | None:
        """The same of inference energy."""
        return _spread(self.inference_j)

    @property
    def memory_mb(self) -> Figure:
        """The peak of a training step; it is the same in every run."""
        return Figure(mean=self.memory_bytes / 1e6, deviation=None)


class OrderDifference(Difference):
    """Accuracy of the configuration published as `above` minus that of the one `below`, seed by seed.

    `approach` is that of `above`, `against` that of `below`.
    """

    above: str
    below: str
    approach: str
    against: str
    technique: str
    runs: int
    published: bool = True

    @property
    def verdict(self) -> str:
        """What the interval says of the order, which the paper publishes or does not compare."""
        return self.says(HOLDS, REVERSED) if self.published else self.says(ABOVE, BELOW)


def rows_of(preset: ImagePreset, records: Sequence[ImageRecord]) -> tuple[ImageRow, ...]:
    """Return the rows of one data set and model, in the preset's order.

    The Efficiency Index is 1 − (AIT/AIT_max + TIE/TIE_max)/2, which is our reading: the text shows its equation as a
    picture, and says of it that the maxima are "across all experiments", that it lies between 0 and 1, and that higher
    is better. Ours are the maxima over these rows, of times and energies relative to the dense network of the same
    rounds, so that a busy minute of the machine makes no order.
    """
    every = {each.label: by_seed(records, each.label) for each in preset.configurations}
    ran = {label: found for label, found in every.items() if found}
    times = {label: _mean(found, lambda record: record.time_ratio) for label, found in ran.items()}
    energies = {label: _mean(found, lambda record: record.energy_ratio) for label, found in ran.items()}
    most_time, most_energy = max(times.values()), max(energies.values())
    indices = {label: 1 - (times[label] / most_time + energies[label] / most_energy) / 2 for label in ran}
    return tuple(_row(preset, found, ran[DENSE], index=indices[label]) for label, found in ran.items())


def differences(preset: ImagePreset, records: Sequence[ImageRecord]) -> tuple[OrderDifference, ...]:
    """Return the differences, seed by seed, of the preset's orders whose configurations were both run."""
    found = []
    for order in preset.orders:
        left, right = by_seed(records, order.above), by_seed(records, order.below)
        if left and right:
            above, below = preset.configuration(order.above), preset.configuration(order.below)
            difference = OrderDifference.of(
                [left[seed].accuracy - right[seed].accuracy for seed in sorted(left.keys() & right.keys())],
                above=order.above,
                below=order.below,
                approach=above.approach,
                against=below.approach,
                technique=str(above.technique),
                runs=len(left.keys() & right.keys()),
                published=order.published,
            )
            found.append(difference)
    return tuple(found)


def _row(preset: ImagePreset, found: BySeed, dense: BySeed, *, index: float) -> ImageRow:
    first = next(iter(found.values()))
    key, configuration = first.key, preset.configuration(first.key.configuration)
    joules = _mean(found, lambda record: record.training_j)
    of_it = [value for value in preset.published if value.is_about(key.configuration)]
    return row_of(
        ImageRow,
        found,
        dense,
        MEASURES,
        technique=configuration.technique,
        approach=configuration.approach,
        nominal_sparsity=None if configuration.as_sparse_as else configuration.ratio,
        overall_sparsity=first.pruned_weights / first.weights,
        efficiency_index=index,
        training_j_ends=(
            min(record.training_j for record in found.values()),
            max(record.training_j for record in found.values()),
        ),
        training_wh=joules / JOULES_PER_WH,
        training_co2_g=grams_of(joules, GRID),
        memory_bytes=round(_mean(found, lambda record: record.memory_bytes)),
        removed_neurons=_mean(found, lambda record: record.removed_neurons),
        removed_time_change=_change(record.removed_ratio for record in found.values()),
        csr_time_change=_change(record.csr_ratio for record in found.values()),
        epochs=tuple(_epoch_means(found, epoch) for epoch in range(key.epochs)),
        published=tuple(value for value in of_it if key.dataset in value.datasets and key.model in value.models),
    )


def _epoch_means(found: BySeed, index: int) -> EpochMeans:
    epochs = [record.epochs[index] for record in found.values()]
    validated = [epoch.validation_accuracy for epoch in epochs if epoch.validation_accuracy is not None]
    return EpochMeans(
        loss=statistics.fmean(epoch.loss for epoch in epochs),
        training_accuracy=statistics.fmean(epoch.training_accuracy for epoch in epochs),
        validation_accuracy=statistics.fmean(validated) if validated else None,
    )


def _spread(figure: Figure) -> float | None:
    return figure.deviation / figure.mean if figure.deviation is not None and figure.mean else None


def _mean(found: BySeed, value: Callable[[ImageRecord], float]) -> float:
    return statistics.fmean(value(record) for record in found.values())


def _change(ratios: Iterable[float | None]) -> float | None:
    """Return the mean change of time over the runs that have one, None where none has."""
    found = Figure.of(None if ratio is None else ratio - 1 for ratio in ratios)
    return None if found is None else found.mean
