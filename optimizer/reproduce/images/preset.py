"""A preset of images: settings, configurations and quantities, and what a paper claims beside single values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

from pydantic import Field

from optimizer.reproduce.claims import Claim, Frozen, Quantity
from optimizer.reproduce.presets import Configuration, ScaleName, TrainingPreset, TrainingScale
from search_spaces.transforms.masks.schedules.table import ScheduleName
from search_spaces.transforms.masks.target import ScopeName

Layout = Literal["efficiency", "techniques"]
WHOLE = 1000  # from which on digits behind the point say nothing


def _percent(words: str) -> Quantity:
    return Quantity(words, "{:.2%}".format, near=0.03)  # of an accuracy that the paper gives as "almost" or "nearly"


def _change(words: str) -> Quantity:
    return Quantity(f"{words} against dense", "{:+.2%}".format, near=0.01, share=0.25)  # near: of nearly nothing


def _in(unit: str) -> Callable[[float], str]:
    return lambda value: f"{value:,.0f} {unit}" if value >= WHOLE else f"{value:.3g} {unit}"


QUANTITIES: Mapping[str, Quantity] = {
    "accuracy": _percent("accuracy"),
    "accuracy_change": _change("accuracy"),
    "time_change": _change("inference time"),
    "energy_change": _change("inference energy"),
    "training_accuracy": _percent("highest training accuracy"),
    "loss": Quantity("training loss at the end", "{:.3g}".format, share=0.25),
    "training_s": Quantity("training time", _in("s"), share=0.25),
    "training_j": Quantity("training energy", _in("J"), share=0.25),
    "training_time_change": _change("training time"),
    "training_energy_change": _change("training energy"),
    "inference_s": Quantity("inference time of an image", _in("s"), share=0.25),
    "weights": Quantity("weights", "{:,.0f}".format, share=0.25),
}
"""Times in seconds, energies in joules, of a whole training or of one image."""


class MaskConfiguration(Configuration):
    """One row of the experiment. Without a `technique` it is the dense network.

    `convolution_ratio`, where given, is the share of filters that convolutions lose, `ratio` then that of connections.
    `as_sparse_as` names the configuration whose number of removed weights gives the ratio of this one.
    """

    technique: ScheduleName | None = None
    approach: str = "dense"
    scope: ScopeName = "uniform"
    ratio: float = Field(0.0, ge=0, le=1)
    convolution_ratio: float | None = Field(None, ge=0, le=1)
    as_sparse_as: str | None = None


class ImageScale(TrainingScale):
    """How much of the experiment is run.

    `test_examples` bound the validation images too. Images above `image_size` pixels are shrunk to it. `batch_size` and
    `test_batch_size` of None are those of the preset and its overrides. `inference_seconds` are spent on timing the
    networks of one run, and on each window of an energy counter.
    """

    test_examples: int | None = Field(None, ge=1)
    image_size: int | None = Field(None, ge=1)
    batch_size: int | None = Field(None, ge=1)
    test_batch_size: int | None = Field(None, ge=1)
    inference_seconds: float = Field(1.5, gt=0)


class Override(Frozen):
    """Other settings for one model, on one data set where it is named. `epochs` holds at the paper's scale."""

    model: str
    dataset: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    test_batch_size: int | None = None


class Tally(Claim):
    """In how many cases the text finds a bound to hold; where the text says "comparable", the bound is ours."""

    cases: int
    of: int


class Order(Frozen):
    """Two configurations of which the text puts the accuracy of one above that of the other."""

    above: str
    below: str


class Remark(Frozen):
    """A printed number that belongs to no single row, in words; it is shown, not compared."""

    text: str
    where: str


class ImagePreset(TrainingPreset):
    """A published experiment on masked networks for images.

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
    tallies: tuple[Tally, ...] = ()
    orders: tuple[Order, ...] = ()
    remarks: tuple[Remark, ...] = ()

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
