"""A preset: the settings of a published experiment and the values that it reports, parsed from TOML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from optimizer.reproduce.images.claims import Frozen, Order, Published, Remark, Tally
from optimizer.reproduce.presets import ScaleName, read_preset
from search_spaces.transforms.masks.schedules.table import ScheduleName
from search_spaces.transforms.masks.target import ScopeName

Layout = Literal["efficiency", "techniques"]


class Configuration(Frozen):
    """One row of the experiment. Without a `technique` it is the dense network.

    `convolution_ratio`, where given, is the share of filters that convolutions lose, `ratio` then that of connections.
    `as_sparse_as` names the configuration whose number of removed weights gives the ratio of this one.
    """

    label: str
    technique: ScheduleName | None = None
    approach: str = "dense"
    scope: ScopeName = "uniform"
    ratio: float = Field(0.0, ge=0, le=1)
    convolution_ratio: float | None = Field(None, ge=0, le=1)
    as_sparse_as: str | None = None


class Scale(Frozen):
    """How much of the experiment is run. `train_examples` of None are all; `models` of None are the preset's.

    `test_examples` bound the validation images too. Images above `image_size` pixels are shrunk to it. `batch_size` and
    `test_batch_size` of None are those of the preset and its overrides. `inference_seconds` are spent on timing the
    networks of one run, and on each window of an energy counter.
    """

    runs: int = Field(ge=1)
    epochs: int = Field(ge=1)
    train_examples: int | None = Field(None, ge=1)
    test_examples: int | None = Field(None, ge=1)
    models: tuple[str, ...] | None = None
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


class Preset(Frozen):
    """A published experiment.

    `layout` chooses the columns of its tables and its figures; where it `validates_epochs`, accuracy is taken after
    every epoch on the validation part, or on the test part of a data set that has none.
    """

    name: str
    title: str
    source: str
    datasets: tuple[str, ...]
    models: tuple[str, ...]
    batch_size: int
    learning_rate: float
    test_batch_size: int
    layout: Layout = "efficiency"
    validates_epochs: bool = False
    scales: Mapping[ScaleName, Scale]
    overrides: tuple[Override, ...] = ()
    configurations: tuple[Configuration, ...]
    published: tuple[Published, ...] = ()
    tallies: tuple[Tally, ...] = ()
    orders: tuple[Order, ...] = ()
    remarks: tuple[Remark, ...] = ()

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        labels = [configuration.label for configuration in self.configurations]
        named = [c.as_sparse_as for c in self.configurations if c.as_sparse_as]
        named += [label for order in self.orders for label in (order.above, order.below)]
        claims = [*self.published, *self.tallies]
        unknown = [name for name in named if name not in labels]
        unknown += [claim.configuration for claim in claims if not any(claim.is_about(label) for label in labels)]
        if unknown or len(set(labels)) < len(labels):
            raise ValueError(f"configurations: labels must be unique and exist where they are named, got {unknown}")
        return self

    def configuration(self, label: str) -> Configuration:
        """Return the configuration of a label."""
        return next(configuration for configuration in self.configurations if configuration.label == label)


def load_preset(name: str) -> Preset:
    """Return a preset of images by name. Raises `UnknownNameError` for one that is not there."""
    return Preset.model_validate(read_preset(name))
