"""What one run on a text encoder leaves behind."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from optimizer.reproduce.answered import Answered
from optimizer.reproduce.ledger import RunKey


class EncoderKey(RunKey):
    """All that a run depends on."""

    learning_rate: float
    batch_size: int
    epochs: int
    epsilon: float
    calibration_examples: int
    train_examples: int | None
    search_examples: int | None
    validation_examples: int | None


class CurvePoint(BaseModel):
    """A training after `step` steps: the mean loss of those since the point before, and what validation then says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int
    training_loss: float
    validation_loss: float
    accuracy: float
    f1: float


class EncoderRecord(Answered):
    """What a run measured on the validation examples and on one request of `sequence_length` tokens.

    `ratio` is the share of units asked to go, `untrained_accuracy` the accuracy between pruning and training, None
    where one of the two did not happen. Ratios are to the dense model, timed in the same rounds;
    `cpu_latency_interval` is the 95 % one of its ratio. GPU figures are None where there is no CUDA device; energy is
    of the GPU where there is one. `padded_macs` are multiply-accumulates of a sequence of 512 tokens, as the paper
    counts them, `zeroed` the weights of linear layers that are zero. What ledgers of former versions lack is None.
    """

    key: EncoderKey
    ratio: float
    f1: float
    mcc: float
    majority: float
    untrained_accuracy: float | None
    parameters: int
    flops: float
    cpu_latency_s: float
    cpu_latency_ratio: float
    cpu_latency_interval: tuple[float, float] | None
    gpu_latency_s: float | None
    gpu_latency_ratio: float | None
    energy_j: float
    energy_ratio: float
    energy_source: str
    energy_device: str
    cpu: str
    sequence_length: int
    threads: int
    training_s: float
    trained_on: int
    dense_was_trained: bool
    device: str
    notes: tuple[str, ...]
    f1_weighted: float | None = None
    padded_macs: float | None = None
    zeroed: int | None = None
    curve: tuple[CurvePoint, ...] = ()
