"""A preset of text encoders: settings, configurations and published values, and what the paper leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from optimizer.reproduce.presets import ScaleName, read_preset

KIND = "encoders"
MethodName = Literal["dense", "retrained", "magnitude", "iterative", "obs"]
MetricName = Literal[
    "accuracy",
    "accuracy_change",
    "f1",
    "mcc",
    "parameters",
    "parameters_change",
    "flops",
    "flops_change",
    "cpu_latency_s",
    "cpu_latency_change",
    "gpu_latency_s",
    "gpu_latency_change",
    "energy_j",
    "energy_change",
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Configuration(_Frozen):
    """One row of the experiment.

    `dense` is the model as it was fine-tuned; `retrained` the same after as much more training as the pruned ones
    get; `magnitude` is steps 1 to 4 of the published algorithm at p = `ratio`; `iterative` its step 5, which finds p;
    `obs` this project's own way, untrained, within the FLOPs of `magnitude` at the same ratio.
    """

    label: str
    method: MethodName
    ratio: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _has_a_ratio(self) -> Self:
        if (self.method in ("magnitude", "obs")) != (self.ratio > 0):
            raise ValueError(f"{self.label}: a ratio goes with the methods magnitude and obs, and only with them")
        return self


class Scale(_Frozen):
    """How much of the experiment is run. None takes all examples, or the preset's own data sets and models.

    `latency_seconds` are spent on timing the models of one run, per device.
    """

    runs: int = Field(ge=1)
    epochs: int = Field(ge=1)
    learning_rates: tuple[float, ...] = Field(min_length=1)
    datasets: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    calibration_examples: int = Field(1024, ge=16)
    train_examples: int | None = Field(None, ge=1)
    search_examples: int | None = Field(None, ge=1)
    validation_examples: int | None = Field(None, ge=1)
    latency_seconds: float = Field(5.0, gt=0)


class Published(_Frozen):
    """A published value and its place in the paper; changes are fractions of the dense model's figure.

    `accuracy_change` alone is in points as a fraction. The values of a pruned model whose ratio the text does not give
    name every configuration that they may mean.
    """

    datasets: tuple[str, ...]
    models: tuple[str, ...]
    configurations: tuple[str, ...]
    metric: MetricName
    value: float
    where: str


class Quoted(_Frozen):
    """A row that the paper quotes of another model, with its own source. Fractions; `parameters` are counted."""

    model: str
    source: str
    parameters: float
    sst2_accuracy: float
    cola_mcc: float | None = None


class Illustration(_Frozen):
    """A number that the text gives as an example of a step, of no model and no run."""

    where: str
    text: str


class EncoderPreset(_Frozen):
    """A published experiment on text encoders. `epsilon` is the accuracy loss that step 5 accepts."""

    kind: Literal["encoders"]
    name: str
    title: str
    source: str
    datasets: tuple[str, ...]
    models: tuple[str, ...]
    batch_size: int = Field(ge=1)
    epsilon: float = Field(gt=0, lt=1)
    built_in_learning_rate: float = Field(gt=0)
    scales: Mapping[ScaleName, Scale]
    configurations: tuple[Configuration, ...]
    published: tuple[Published, ...] = ()
    quoted: tuple[Quoted, ...] = ()
    illustrations: tuple[Illustration, ...] = ()
    remarks: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        labels = [configuration.label for configuration in self.configurations]
        unknown = {label for value in self.published for label in value.configurations} - {*labels}
        if unknown or len(set(labels)) < len(labels) or self.configurations[0].method != "dense":
            raise ValueError(f"configurations: dense first, labels unique and known where named, got {sorted(unknown)}")
        return self


def load_encoder_preset(name: str) -> EncoderPreset:
    """Return a preset of text encoders by name. Raises `UnknownNameError` for one that is not there."""
    return EncoderPreset.model_validate(read_preset(name))
