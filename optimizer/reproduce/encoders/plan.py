"""The runs of an encoder preset: which configuration of which model, on which data, how often, with which settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from optimizer.errors import InputError, UnknownNameError
from optimizer.families.encoders.models import BUILT_IN as BUILT_IN_MODEL
from optimizer.families.encoders.models import check_model_name
from optimizer.reproduce.asked import Asked
from optimizer.reproduce.encoders.preset import Configuration, EncoderPreset, Scale
from optimizer.reproduce.encoders.records import EncoderKey
from optimizer.tasks.texts.known import BUILT_IN as BUILT_IN_TASK


@dataclass(frozen=True, kw_only=True)
class EncoderRequest(Asked):
    """What the user asks of a preset."""

    preset: EncoderPreset

    def __post_init__(self) -> None:
        super().__post_init__()
        known = (*self.preset.datasets, BUILT_IN_TASK)
        if self.dataset is not None and self.dataset not in known:
            raise UnknownNameError("dataset", self.dataset, known)
        if self.directory is not None and self.dataset in (None, BUILT_IN_TASK):
            raise InputError(
                "data", f"name the data set that it holds in `dataset`: {' | '.join(self.preset.datasets)}"
            )
        if self.model is not None:
            check_model_name(self.model)

    @property
    def datasets(self) -> tuple[str, ...]:
        """The tasks to run on."""
        return (self.dataset,) if self.dataset else self.sizes.datasets or self.preset.datasets

    @property
    def sizes(self) -> Scale:
        """The scale's own settings."""
        return self.preset.scales[self.scale]

    @property
    def run_count(self) -> int:
        """How often every configuration is run."""
        return self.runs or self.sizes.runs

    def models(self, dataset: str) -> tuple[str, ...]:
        """Return the models to run on a task: the built-in one on its own."""
        if self.model:
            return (self.model,)
        return (BUILT_IN_MODEL,) if dataset == BUILT_IN_TASK else self.sizes.models or self.preset.models


@dataclass(frozen=True, slots=True)
class EncoderRun:
    """One model made by one configuration, with its measurements."""

    key: EncoderKey
    configuration: Configuration


def runs_of(request: EncoderRequest, dataset: str, model: str) -> Iterator[EncoderRun]:
    """Yield the runs of a model on a task, seed by seed, so that what is compared is run within the same minutes."""
    for learning_rate in _learning_rates(request, dataset):
        for seed in range(request.run_count):
            for configuration in request.preset.configurations:
                key = _key(request, dataset, model, configuration.label, seed=seed, learning_rate=learning_rate)
                yield EncoderRun(key, configuration)


def _learning_rates(request: EncoderRequest, dataset: str) -> tuple[float, ...]:
    """Return the published rates; the built-in model, a thousandth of the size, learns nothing at those."""
    return (request.preset.built_in_learning_rate,) if dataset == BUILT_IN_TASK else request.sizes.learning_rates


def _key(
    request: EncoderRequest, dataset: str, model: str, label: str, *, seed: int, learning_rate: float
) -> EncoderKey:
    sizes = request.sizes
    return EncoderKey(
        preset=request.preset.name,
        dataset=dataset,
        model=model,
        configuration=label,
        seed=seed,
        learning_rate=learning_rate,
        batch_size=request.preset.batch_size,
        epochs=sizes.epochs,
        epsilon=request.preset.epsilon,
        calibration_examples=sizes.calibration_examples,
        train_examples=sizes.train_examples,
        search_examples=sizes.search_examples,
        validation_examples=sizes.validation_examples,
    )
