"""Presets: published experiments as data, each a TOML file with its settings and the values that it reports."""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from optimizer.errors import UnknownNameError
from optimizer.reproduce.claims import Claim, Frozen, Published, Quantity

ScaleName = Literal["quick", "overnight", "paper"]


class Configuration(Frozen):
    """One row of the experiment."""

    label: str


class Scale(Frozen):
    """How much of the experiment is run. `models` of None are the preset's."""

    runs: int = Field(ge=1)
    models: tuple[str, ...] | None = None


class TrainingScale(Scale):
    """How much of an experiment is run that trains. `train_examples` of None are all."""

    epochs: int = Field(ge=1)
    train_examples: int | None = Field(None, ge=1)


class Preset(Frozen):
    """A published experiment; each kind has its own settings, and knows the quantities that are claimed."""

    quantities: ClassVar[Mapping[str, Quantity]]
    name: str
    title: str
    source: str
    datasets: tuple[str, ...]
    models: tuple[str, ...]
    scales: Mapping[ScaleName, Scale]
    configurations: tuple[Configuration, ...]
    published: tuple[Published, ...] = ()

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        labels = [configuration.label for configuration in self.configurations]
        unknown = [name for name in self.labels_named() if name not in labels]
        for claim in self.claims():
            unknown += [pattern for pattern in claim.configurations if not fnmatch.filter(labels, pattern)]
            unknown += [] if claim.metric in self.quantities else [claim.metric]
        if unknown or len(set(labels)) < len(labels):
            raise ValueError(f"configurations: labels must be unique and exist where they are named, got {unknown}")
        return self

    def claims(self) -> tuple[Claim, ...]:
        """Return everything that is claimed of configurations."""
        return self.published

    def labels_named(self) -> tuple[str, ...]:
        """Return the labels that other settings name."""
        return ()


class TrainingPreset(Preset):
    """A published experiment that trains."""

    batch_size: int = Field(ge=1)


def preset_names() -> tuple[str, ...]:
    """Return the names of all presets."""
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in _toml_files()))


def read_preset(name: str) -> dict[str, Any]:
    """Return the content of a preset's file. Raises `UnknownNameError` for an unknown preset."""
    if name not in preset_names():
        raise UnknownNameError("name", name, preset_names())
    return tomllib.loads((files("studies.presets") / f"{name}.toml").read_text(encoding="utf-8"))


def _toml_files() -> list[Traversable]:
    return [entry for entry in files("studies.presets").iterdir() if entry.name.endswith(".toml")]
