"""What one run on a pretrained network leaves behind."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from optimizer.measuring.ratios import Ratio
from optimizer.reproduce.answered import Answered
from optimizer.reproduce.ledger import RunKey
from optimizer.reproduce.pretrained.energy import Energy
from optimizer.reproduce.pretrained.preset import Reading


class PretrainedKey(RunKey):
    """All that a run depends on."""

    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    weight_decay: float
    patience: int
    min_delta: float
    reading: Reading
    tolerance: float
    train_examples: int | None
    test_examples: int | None
    image_size: int | None
    base_epochs: int
    rank_steps: int | None
    rank_rounds: int


class EpochRecord(BaseModel):
    """One epoch of training: the mean loss of its steps, that on the search images after it, and what it cost.

    Both memories are peaks of the epoch's steps, None where an older version ran it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    loss: float
    search_loss: float
    seconds: float
    energy: Energy
    resident_bytes: int | None = None
    peak_cuda_bytes: int | None = None


class StepRecord(BaseModel):
    """One training step on `batch` images: its time, of the processor on a CPU, and ratios to the baseline's.

    Time and energy of both are of the same rounds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds: float
    batch: int
    time: Ratio
    energy: Ratio
    energy_source: str


class PretrainedRecord(Answered):
    """What a run measured; `accuracy` and `right` are on the verification images.

    `bits` are zeroed at the start. `rates` are the shares of each layer's weights that are pruned, `ranks` the low
    ranks of layers, both by path, of `split_layers` layers that could have one. `compression` is as the paper defines
    it, `stored_bytes` those of the parameters as they are after the training, packed. `search_curve` has accuracies on
    the search images by which the setting was chosen: of 0 to 31 zeroed bits, or of the pruning steps. Without kernels
    for what it asks for a run is not trained, and has no epochs.
    """

    key: PretrainedKey
    bits: int
    rates: Mapping[str, float]
    ranks: Mapping[str, int]
    split_layers: int
    rank_rounds: int
    compression: float
    stored_bytes: int
    dense_bytes: int
    search_curve: tuple[float, ...]
    search_drop: float
    untrained_accuracy: float
    largest_class: float
    epochs: tuple[EpochRecord, ...]
    is_stopped: bool
    step: StepRecord | None
    train_examples: int
    search_examples: int
    device: str
    notes: tuple[str, ...]

    @property
    def training_s(self) -> float:
        """Seconds of all epochs, without loading and without evaluations."""
        return sum(epoch.seconds for epoch in self.epochs)

    @property
    def training_j(self) -> float:
        """Joules of all epochs, of GPU, CPU and memory together."""
        return sum(epoch.energy.total for epoch in self.epochs)
