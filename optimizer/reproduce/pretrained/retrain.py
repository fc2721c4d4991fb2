"""Training again: SGD at a constant rate under a form, stopped early by the loss on the search images."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from objectives.device import device_of
from objectives.energy.computed import Computed
from objectives.energy.traffic import count_computed
from objectives.guard import measuring
from optimizer.reproduce.pretrained.energy import Energy
from optimizer.reproduce.pretrained.form import Form
from optimizer.reproduce.pretrained.preset import Reading
from optimizer.reproduce.pretrained.records import EpochRecord, PretrainedKey
from optimizer.tasks.cutting import in_batches
from optimizer.tasks.images.data import Images
from optimizer.tasks.images.scores import BATCH
from optimizer.tasks.task import Batch
from optimizer.training.images import ImageLoss, image_batch
from optimizer.training.learner import Learner
from optimizer.training.loop import Loop


class Training:
    """Steps of SGD on a model, in place, each followed by what its form holds."""

    def __init__(self, model: nn.Module, form: Form, key: PretrainedKey, *, rate: float | None = None) -> None:
        """Take the settings of a run, and another learning `rate` where steps shall leave the weights as they are."""
        optimizer = torch.optim.SGD(
            model.parameters(),
            lr=key.learning_rate if rate is None else rate,
            momentum=key.momentum,
            weight_decay=key.weight_decay,
        )
        self.model, self._form = model, form
        self.learner = Learner(model, loss=ImageLoss(), optimizer=optimizer, dtype=form.dtype)

    def hold(self) -> None:
        """Impose the form again, which a step has broken."""
        self._form.impose(self.model)

    def step(self, batch: Batch) -> None:
        """Take one step."""
        self.learner.step(batch)
        self.hold()


def retrain(
    model: nn.Module, form: Form, key: PretrainedKey, images: Images, held_out: Images
) -> tuple[tuple[EpochRecord, ...], bool]:
    """Train in place and return the epochs, and whether the training stopped before it had to.

    The weights are those after the last epoch. Raises `MachineError` when the loss is NaN or infinite.
    """
    form.impose(model)
    training, device = Training(model, form, key), device_of(model)
    load, losses = partial(image_batch, images, device), list[float]()

    def score() -> float:
        losses.append(mean_loss(model, held_out))
        return losses[-1]

    epochs = Loop(
        learner=training.learner,
        draw=lambda: in_batches(torch.randperm(len(images)).numpy(), key.batch_size),
        load=load,
        epochs=key.epochs,
        seed=key.seed,
        score=score,
        after_step=lambda _: training.hold(),
        after_epoch=lambda _: stops_at(losses, key.patience, key.min_delta, key.reading) is not None,
        dtype=form.dtype,
    ).run()
    records = (
        EpochRecord(
            loss=epoch.loss,
            search_loss=loss,
            seconds=epoch.spent.seconds,
            energy=Energy.of(epoch.spent),
            resident_bytes=epoch.spent.resident_bytes,
            peak_cuda_bytes=epoch.spent.peak_cuda_bytes,
        )
        for epoch, loss in zip(epochs, losses, strict=True)
    )
    return tuple(records), stops_at(losses, key.patience, key.min_delta, key.reading) is not None


def stops_at(losses: Sequence[float], patience: int, min_delta: float, reading: Reading) -> int | None:
    """Return the epoch, from 1, after which a training with these losses `(epochs,)` stops, None where it goes on.

    It stops after `patience` epochs in a row that are not better than the best one by `min_delta`.
    """
    best, waited = float("inf"), 0
    for epoch, loss in enumerate(losses, start=1):
        wanted = best - min_delta if reading == "absolute" else best * (1 - min_delta)
        best, waited = (loss, 0) if loss <= wanted else (best, waited + 1)
        if waited == patience:
            return epoch
    return None


def step_cost(model: nn.Module, form: Form, key: PretrainedKey, batch: Batch) -> Computed:
    """Count one training step on a copy of the model: forward, backward, update, and what the form takes."""
    training = Training(copy.deepcopy(model).train(), form, key)
    training.step(batch)  # the momentum exists from the second step on
    return count_computed(lambda: training.step(batch))


def mean_loss(model: nn.Module, images: Images) -> float:
    """Return the mean cross-entropy of a model on images; its mode is left as found."""
    device, total = device_of(model), 0.0
    with measuring(model):
        for pixels, labels in zip(torch.split(images.pixels, BATCH), torch.split(images.labels, BATCH), strict=True):
            total += float(F.cross_entropy(model(pixels.to(device)), labels.to(device), reduction="sum"))
    return total / len(images)
