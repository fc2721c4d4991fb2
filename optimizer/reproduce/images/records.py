"""What one run of an experiment on images leaves behind."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from optimizer.reproduce.ledger import RunKey, Scored
from optimizer.views.accounts import Accounted


class ImageKey(RunKey):
    """All that a run depends on. Runs of one seed and `draw` begin with the same random masks.

    Steps of training compute in the `training_precision`, all else in float32.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    test_batch_size: int
    train_examples: int | None
    test_examples: int | None
    image_size: int | None
    training_precision: str = "float32"
    draw: int = 0

    def shared(self) -> dict[str, object]:
        """Return what the runs that are compared with each other share."""
        return {name: value for name, value in super().shared().items() if name != "draw"}


class EpochRecord(BaseModel):
    """One epoch of training: the mean loss of its steps, the share right in them, and what it cost.

    `validation_accuracy` is taken after the epoch, outside its time and energy, where the preset asks for it. `spent`
    are its joules by part and its peaks of memory, None where an older version ran it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    loss: float
    training_accuracy: float
    validation_accuracy: float | None
    seconds: float
    joules: float
    spent: Accounted | None = None


class ImageRecord(Scored):
    """What a run measured.

    Precision, recall and F1 are means over the classes. `inference_s` is the median time of one test batch, divided by
    its examples; `time_ratio` and `energy_ratio` are to a dense network in the same rounds, as are the times
    `removed_ratio` (dead neurons taken out) and `csr_ratio` (compressed sparse rows), which are None where there was
    nothing to take out or no layer sparse enough. Energies say their source. What was `trained_as_dense` is the
    dense network of the same seed, pruned at the end of its training.
    """

    key: ImageKey
    weights: int
    pruned_weights: int
    precision: float
    recall: float
    f1: float
    inference_s: float
    time_ratio: float
    inference_j: float
    energy_ratio: float
    removed_neurons: int
    removed_ratio: float | None
    csr_ratio: float | None
    training_examples: int
    validation_examples: int
    test_examples: int
    epochs: tuple[EpochRecord, ...]
    energy_source: str
    memory_bytes: int
    device: str
    trained_as_dense: bool = False

    @property
    def training_s(self) -> float:
        """Seconds of all epochs."""
        return sum(epoch.seconds for epoch in self.epochs)

    @property
    def training_j(self) -> float:
        """Joules of all epochs."""
        return sum(epoch.joules for epoch in self.epochs)

    @property
    def training_accuracy(self) -> float:
        """The highest of all epochs."""
        return max(epoch.training_accuracy for epoch in self.epochs)
