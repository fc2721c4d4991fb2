"""A preset of text encoders: settings, configurations and quantities, and what the paper leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from optimizer.reproduce.claims import Frozen, Quantity
from optimizer.reproduce.presets import Configuration, ScaleName, TrainingPreset, TrainingScale

KIND = "encoders"
MethodName = Literal["dense", "retrained", "magnitude", "iterative", "obs", "weights", "set"]
MaskScope = Literal["global", "layer-wise"]
WITH_RATIO: tuple[MethodName, ...] = ("magnitude", "obs", "weights", "set")

_CHANGE = (100, "{:+.1f} %")  # what a figure is multiplied by, and how it is written
QUANTITIES: Mapping[str, Quantity] = {
    "accuracy": Quantity.scaled("accuracy", 100, "{:.2f} %", near=0.01),
    "accuracy_change": Quantity.scaled("accuracy against dense, points", 100, "{:+.2f}", near=0.01),
    "accuracy_relative": Quantity.scaled("accuracy relative to dense", *_CHANGE, near=0.01),
    "f1": Quantity.scaled("F1", 100, "{:.2f} %", near=0.01),
    "f1_weighted": Quantity.scaled("F1, mean over the classes weighted by their size", 100, "{:.2f} %", near=0.01),
    "validation_loss": Quantity.scaled("validation loss at the end of the curve", 1, "{:.2f}", share=0.25),
    "mcc": Quantity.scaled("Matthews correlation", 1, "{:.3f}", near=0.03),
    "parameters": Quantity.scaled("parameters", 1e-6, "{:.2f} M", share=0.05),
    "parameters_change": Quantity.scaled("parameters against dense", *_CHANGE, share=0.25),
    "padded_macs": Quantity.scaled("multiply-accumulates of 512 tokens", 1e-9, "{:.4g} B", share=0.05),
    "flops_change": Quantity.scaled("FLOPs against dense", *_CHANGE, share=0.25),
    "cpu_latency_s": Quantity.scaled("CPU latency", 1e3, "{:.3g} ms"),
    "cpu_latency_change": Quantity.scaled("CPU latency against dense", *_CHANGE, share=0.25),
    "gpu_latency_s": Quantity.scaled("GPU latency", 1e3, "{:.3g} ms"),
    "gpu_latency_change": Quantity.scaled("GPU latency against dense", *_CHANGE, share=0.25),
    "energy_j": Quantity.scaled("energy of one inference", 1, "{:.3g} J"),
    "energy_change": Quantity.scaled("energy against dense", *_CHANGE, share=0.25),
}
"""Absolute times and joules are not judged: they are of other machines, and of inputs whose number is not given."""


class EncoderConfiguration(Configuration):
    """One row of the experiment.

    `dense` is the model as it was fine-tuned; `retrained` the same after as much more training as the pruned ones
    get; `magnitude` is steps 1 to 4 of the published algorithm at p = `ratio`; `iterative` its step 5, which finds p;
    `obs` this project's own way, untrained, within the FLOPs of `magnitude` at the same ratio. `weights` is the
    algorithm as printed: single weights of the linear layers are zeroed, and stay zero while the rest is trained again;
    `set` begins with random masks and swaps the weakest after every epoch but the last. Their `scope` is global (all
    linear layers: the smallest of all of them together, in SET the same share of each) or layer-wise (the same share of
    every linear layer of all blocks but the first and the last).
    """

    method: MethodName
    ratio: float = Field(0.0, ge=0, lt=1)
    scope: MaskScope = "global"

    @model_validator(mode="after")
    def _has_a_ratio(self) -> Self:
        if (self.method in WITH_RATIO) != (self.ratio > 0):
            raise ValueError(f"{self.label}: a ratio goes with the methods {', '.join(WITH_RATIO)}, and only with them")
        return self


class EncoderScale(TrainingScale):
    """How much of the experiment is run. `latency_seconds` are spent on timing the models of one run, per device.

    Every `curve_steps` steps a training is looked at, on `curve_examples` validation examples (None: all).
    """

    learning_rates: tuple[float, ...] = Field(min_length=1)
    datasets: tuple[str, ...] | None = None
    calibration_examples: int = Field(1024, ge=16)
    search_examples: int | None = Field(None, ge=1)
    validation_examples: int | None = Field(None, ge=1)
    latency_seconds: float = Field(5.0, gt=0)
    curve_steps: int = Field(100, ge=1)
    curve_examples: int | None = Field(None, ge=1)


class Quoted(Frozen):
    """A row that the paper quotes of another model, with its own source. Fractions; `parameters` are counted.

    `compression` is the printed entry of its column, in whatever unit: a share that is gone, or a factor.
    """

    model: str
    source: str
    parameters: float
    sst2_accuracy: float
    cola_mcc: float | None = None
    compression: str = "not specified"


class Illustration(Frozen):
    """A number that the text gives as an example of a step, of no model and no run."""

    where: str
    text: str


class EncoderPreset(TrainingPreset):
    """A published experiment on text encoders. `epsilon` is the accuracy loss that step 5 accepts."""

    quantities: ClassVar[Mapping[str, Quantity]] = QUANTITIES
    kind: Literal["encoders"]
    epsilon: float = Field(gt=0, lt=1)
    built_in_learning_rate: float = Field(gt=0)
    scales: Mapping[ScaleName, EncoderScale]
    configurations: tuple[EncoderConfiguration, ...]
    quoted: tuple[Quoted, ...] = ()
    illustrations: tuple[Illustration, ...] = ()
    remarks: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _begins_dense(self) -> Self:
        if self.configurations[0].method != "dense":
            raise ValueError("configurations: the dense model comes first")
        return self
