"""A preset of images: settings, configurations and quantities, and what a paper claims beside single values."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from optimizer.reproduce.claims import Claim, Frozen, Quantity
from optimizer.reproduce.presets import Configuration, ScaleName, TrainingPreset, TrainingScale
from search_spaces.transforms.masks.schedules.table import ScheduleName
from search_spaces.transforms.masks.target import ScopeName

Layout = Literal["efficiency", "techniques"]
ConvolutionScope = Literal["convolutions", "convolutions-hidden"]  # all of them; all but the first and the last
AFTERWARDS: ScheduleName = "post-training"
WHOLE = 1000  # from which on digits behind the point say nothing


def _percent(words: str) -> Quantity:
    return Quantity(words, "{:.2%}".format, near=0.03)  # of an accuracy that the paper gives as "almost" or "nearly"


def _change(words: str) -> Quantity:
    return Quantity(f"{words} against dense", "{:+.2%}".format, near=0.01, share=0.25)  # near: of nearly nothing


def _spread(words: str) -> Quantity:
    return Quantity(f"standard deviation of {words}, of the mean", "{:.1%}".format, near=0.01)


def _in(unit: str) -> Callable[[float], str]:
    return lambda value: f"{value:,.0f} {unit}" if value >= WHOLE else f"{value:.3g} {unit}"


QUANTITIES: Mapping[str, Quantity] = {
    "accuracy": _percent("accuracy"),
    "accuracy_change": Quantity("accuracy against dense, in points", "{:+.2%}".format, near=0.01, share=0.25),
    "accuracy_relative": _change("accuracy relative"),
    "accuracy_spread": _spread("accuracy"),
    "time_spread": _spread("inference time"),
    "energy_spread": _spread("inference energy"),
    "time_change": _change("inference time"),
    "energy_change": _change("inference energy"),
    "training_accuracy": _percent("highest training accuracy"),
    "loss": Quantity("training loss at the end", "{:.3g}".format, share=0.25),
    "loss_rises": Quantity("epochs whose loss is above that of the epoch before", "{:.0f}".format, near=0.5),
    "training_s": Quantity("training time", _in("s")),
    "training_j": Quantity("training energy", _in("J")),
    "training_time_change": _change("training time"),
    "training_energy_change": _change("training energy"),
    "inference_s": Quantity("inference time of an image", _in("s")),
    "inference_j": Quantity("inference energy of all test images", _in("J")),
    "memory_bytes": Quantity("peak memory of training", lambda value: f"{value / 1e6:,.2f} MB"),
    "efficiency_index": Quantity("Efficiency Index (our reading of it)", "{:.3f}".format),
    "weights": Quantity("weights", "{:,.0f}".format, share=0.25),
}
"""Times in seconds, energies in joules, of a whole training or of one image.

Seconds and joules are shown and not judged: those published are of an A100 or of a laptop.
"""


class MaskConfiguration(Configuration):
    """One row of the experiment. Without a `technique` it is the dense network.

    `convolution_ratio`, where given, is the share of filters that convolutions lose, `ratio` then that of connections.
    `as_sparse_as` names the configuration whose number of removed weights gives the ratio of this one. Configurations
    of one `draw` have the same random masks at the start; another is drawn independently. `models` are those that it
    is run with (None: all).
    """

    technique: ScheduleName | None = None
    approach: str = "dense"
    scope: ScopeName | ConvolutionScope = "uniform"
    models: tuple[str, ...] | None = None
    ratio: float = Field(0.0, ge=0, le=1)
    convolution_ratio: float | None = Field(None, ge=0, le=1)
    as_sparse_as: str | None = None
    draw: int = Field(0, ge=0)

    @property
    def trains_dense(self) -> bool:
        """Whether all its training is that of the dense network."""
        return self.technique in (None, AFTERWARDS)


class ImageScale(TrainingScale):
    """How much of the experiment is run.

    `test_examples` bound the validation images too. Images above `image_size` pixels are shrunk to it. `batch_size` and
    `test_batch_size` of None are those of the preset and its overrides. `inference_seconds` are spent on timing the
    networks of one run, and on each window of an energy counter. Steps of training compute in float32, with `bfloat16`
    in that where the machine has instructions for it.
    """

    test_examples: int | None = Field(None, ge=1)
    image_size: int | None = Field(None, ge=1)
    batch_size: int | None = Field(None, ge=1)
    test_batch_size: int | None = Field(None, ge=1)
    inference_seconds: float = Field(1.5, gt=0)
    bfloat16: bool = False


class Override(Frozen):
    """Other settings for one model, on one data set where it is named. `epochs` holds at the paper's scale."""

    model: str
    dataset: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    test_batch_size: int | None = None


class Tally(Claim):
    """In how many cases of all data sets and models the text finds a bound to hold.

    Where the text says "comparable", the bound is ours; `note` says what else must be known of the count.
    """

    cases: int
    of: int
    note: str = ""


class Order(Frozen):
    """Two configurations of which the text puts the accuracy of one above that of the other.

    Where it is not `published`, the paper does not compare the two, and we do.
    """

    above: str
    below: str
    published: bool = True


class Side(Frozen):
    """The rows of one side of a comparison: `configuration` may be a pattern, None is every model or data set."""

    configuration: str = "*"
    model: str | None = None
    dataset: str | None = None


class Comparison(Frozen):
    """Pairs of rows of which the text puts `metric` of `lower` below that of `higher`.

    A pair shares what its sides do not name; what `*` stands for in both patterns is the same. It holds on `datasets`
    (none: on all, stand-ins too) but those that are `exempt`.
    """

    metric: str
    lower: Side
    higher: Side
    datasets: tuple[str, ...] = ()
    exempt: tuple[str, ...] = ()
    where: str


class Best(Frozen):
    """The largest saving that the text gives for `models`, as a change against dense (negative: saved)."""

    models: tuple[str, ...]
    configurations: tuple[str, ...]
    metric: str
    value: float
    where: str


class Remark(Frozen):
    """A printed number that belongs to no single row, in words; it is shown, not compared."""

    text: str
    where: str


class ImagePreset(TrainingPreset):
    """A published experiment on masked networks for images.

    `pairs` names the models of each data set at the paper's scale (none: all of them).
    `layout` chooses the columns of its tables and its figures; where it `validates_epochs`, accuracy is taken after
    every epoch on the validation part, or on the test part of a data set that has none.
    """

    quantities: ClassVar[Mapping[str, Quantity]] = QUANTITIES
    learning_rate: float
    test_batch_size: int
    layout: Layout = "efficiency"
    validates_epochs: bool = False
    scales: Mapping[ScaleName, ImageScale]
    overrides: tuple[Override, ...] = ()
    configurations: tuple[MaskConfiguration, ...]
    pairs: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    tallies: tuple[Tally, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    best: tuple[Best, ...] = ()
    orders: tuple[Order, ...] = ()
    remarks: tuple[Remark, ...] = ()

    @model_validator(mode="after")
    def _is_about_something(self) -> Self:
        labels = [configuration.label for configuration in self.configurations]
        patterns = [side.configuration for each in self.comparisons for side in (each.lower, each.higher)]
        patterns += [pattern for each in self.best for pattern in each.configurations]
        unknown = [pattern for pattern in patterns if not fnmatch.filter(labels, pattern)]
        metrics = [each.metric for each in self.comparisons] + [each.metric for each in self.best]
        unknown += [metric for metric in metrics if metric not in QUANTITIES]
        paired = {*self.pairs, *(model for models in self.pairs.values() for model in models)}
        unknown += sorted(paired - {*self.datasets, *self.models})
        if unknown:
            raise ValueError(f"comparisons, best, pairs: name nothing of this preset: {unknown}")
        return self

    def best_time(self, model: str) -> float:
        """Return the largest saving of inference time that is published for a model, 0 where none is."""
        return min(
            (each.value for each in self.best if each.metric == "time_change" and model in each.models), default=0.0
        )

    def configuration(self, label: str) -> MaskConfiguration:
        """Return the configuration of a label."""
        return next(configuration for configuration in self.configurations if configuration.label == label)

    def claims(self) -> tuple[Claim, ...]:
        """Return everything that is claimed of configurations."""
        return (*self.published, *self.tallies)

    def labels_named(self) -> tuple[str, ...]:
        """Return the labels that configurations and orders name."""
        named = [each.as_sparse_as for each in self.configurations if each.as_sparse_as]
        return (*named, *(label for order in self.orders for label in (order.above, order.below)))
