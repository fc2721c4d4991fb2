"""The runs of a preset: which configuration of which model, on which data, how often and with which settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from optimizer.errors import InputError, UnknownNameError
from optimizer.reproduce.asked import Asked
from optimizer.reproduce.images.preset import Configuration, Preset, Scale
from optimizer.reproduce.images.records import RunKey

STAND_INS = ("digits", "fashion_mnist")  # for every preset, where its own data cannot be had


@dataclass(frozen=True, kw_only=True)
class Request(Asked):
    """What the user asks of a preset."""

    preset: Preset

    def __post_init__(self) -> None:
        super().__post_init__()
        for field, given, known in (
            ("dataset", self.dataset, tuple(dict.fromkeys((*self.preset.datasets, *STAND_INS)))),
            ("model", self.model, self.preset.models),
        ):
            if given is not None and given not in known:
                raise UnknownNameError(field, given, known)
        if self.directory is not None and self.dataset is None:
            raise InputError(
                "data", f"name the data set that it holds in `dataset`: {' | '.join(self.preset.datasets)}"
            )

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets to run on: at quick scale the preset's first."""
        every = self.preset.datasets if self.scale == "paper" else self.preset.datasets[:1]
        return (self.dataset,) if self.dataset else every

    @property
    def sizes(self) -> Scale:
        """The scale's own settings."""
        return self.preset.scales[self.scale]

    @property
    def run_count(self) -> int:
        """How often every configuration is run."""
        return self.runs or self.sizes.runs

    def models(self) -> tuple[str, ...]:
        """Return the models to run."""
        return (self.model,) if self.model else self.sizes.models or self.preset.models


@dataclass(frozen=True, slots=True)
class Run:
    """One training with its measurements."""

    key: RunKey
    configuration: Configuration


def runs_of(request: Request, dataset: str) -> Iterator[Run]:
    """Yield the runs on a data set, seed by seed, so that what is compared is run within the same minutes."""
    for model in request.models():
        for seed in range(request.run_count):
            for configuration in request.preset.configurations:
                yield Run(_key(request, dataset, model, configuration.label, seed), configuration)


def _key(request: Request, dataset: str, model: str, label: str, seed: int) -> RunKey:
    preset, sizes = request.preset, request.sizes
    settings: dict[str, object] = {
        "epochs": sizes.epochs,
        "batch_size": preset.batch_size,
        "learning_rate": preset.learning_rate,
        "test_batch_size": preset.test_batch_size,
    }
    for override in preset.overrides:
        if override.model == model and override.dataset in (None, dataset):
            left_out = {"model", "dataset"} | ({"epochs"} if request.scale == "quick" else set())
            settings |= override.model_dump(exclude=left_out, exclude_none=True)
    settings |= sizes.model_dump(include={"batch_size", "test_batch_size"}, exclude_none=True)
    return RunKey.model_validate(
        {
            **settings,
            "preset": preset.name,
            "dataset": dataset,
            "model": model,
            "configuration": label,
            "seed": seed,
            "train_examples": sizes.train_examples,
            "test_examples": sizes.test_examples,
            "image_size": sizes.image_size,
        }
    )
