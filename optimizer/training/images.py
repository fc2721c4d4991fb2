"""Training of image models: Adam at a constant rate, under a schedule of masks where one is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from objectives.device import device_of
from objectives.energy.spent import Spent
from optimizer.errors import InputError
from optimizer.tasks.cutting import in_batches
from optimizer.tasks.images.data import Images
from optimizer.tasks.images.examples import PIXELS
from optimizer.tasks.images.scores import accuracy
from optimizer.tasks.task import Batch
from optimizer.training import loop
from optimizer.training.batches import Places
from optimizer.training.energy import adam
from optimizer.training.learner import Learner
from optimizer.training.loop import Loop
from optimizer.training.so_far import Resumed, SoFar
from search_spaces.transforms.masks.masks import Masks
from search_spaces.transforms.masks.schedules.schedule import Schedule, SparseTraining
from search_spaces.transforms.masks.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """How to train, with Adam: neither paper names its optimizer, both state its other settings.

    `seed` draws the order of the images, and with `draw` the random masks: another draw of the same seed has masks of
    its own, everything else alike.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int = 0
    draw: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What one epoch did.

    `loss` is the mean over its steps, `training_accuracy` the share of its images that the model had right when it saw
    them, dropout included; `accuracy` is that on the examples held out, after it.
    """

    loss: float
    training_accuracy: float
    accuracy: float | None
    spent: Spent


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A finished training: its epochs, and the masks in force at its end."""

    epochs: tuple[Epoch, ...]
    masks: Masks


def train(
    model: nn.Module,
    images: Images,
    settings: TrainingSettings,
    *,
    schedule: Schedule | None = None,
    target: Target | None = None,
    held_out: Images | None = None,
    state: Path | None = None,
    keeps_end: bool = False,
    dtype: torch.dtype = torch.float32,
) -> Trained:
    """Train `model` in place under the masks of `schedule` (None: dense), and leave it in evaluation mode.

    The global random state is unchanged. `held_out` is evaluated after each epoch, outside the time and energy of
    that epoch. With a `state`, a file, the epochs that an interrupted run has kept there are not trained again; where
    it `keeps_end`, nor are those of a finished one. Steps compute in `dtype`. Raises `InputError` where there is
    nothing to train on or too few epochs for the schedule to reach its target, `MachineError` when the loss is NaN or
    infinite.
    """
    _check(images, settings, schedule, target)
    optimizer = adam(model, settings.learning_rate)
    generator = torch.Generator().manual_seed(settings.seed if not settings.draw else _drawn(settings))
    sparse = SparseTraining(model, target or Target(), generator=generator, optimizer=optimizer)
    loss, load = ImageLoss(), partial(image_batch, images, device_of(model))
    learner = Learner(model, loss=loss, optimizer=optimizer, dtype=dtype)
    resumed = Resumed(SoFar(learner, Epoch, {"sparse": sparse}), state, and_end=keeps_end)

    def continued() -> Sequence[loop.Epoch]:
        return [loop.Epoch(loss=e.loss, score=e.accuracy, spent=e.spent) for e in resumed.continued()]

    def after_epoch(epoch: loop.Epoch) -> bool:
        share = loss.taken() / len(images)
        ended = Epoch(loss=epoch.loss, training_accuracy=share, accuracy=epoch.score, spent=epoch.spent)
        return resumed.add(ended, is_last=len(resumed.so_far.epochs) + 1 == settings.epochs)

    Loop(
        learner=learner,
        draw=lambda: in_batches(torch.randperm(len(images)).numpy(), settings.batch_size),
        load=load,
        epochs=settings.epochs,
        seed=settings.seed,
        score=partial(accuracy, model, held_out) if held_out else None,
        start=lambda: schedule.start(sparse) if schedule else None,
        continued=continued,
        after_step=lambda _: sparse.keep_masks(),
        end_epoch=lambda number: schedule.end_epoch(sparse, number, settings.epochs) if schedule else None,
        after_epoch=after_epoch,
        dtype=dtype,
    ).run()
    return Trained(epochs=tuple(resumed.so_far.epochs), masks=sparse.masks)


class ImageLoss:
    """The cross-entropy of a network on a batch of images; counts the images that it had right."""

    def __init__(self) -> None:
        self._right: Tensor | None = None

    def __call__(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the mean over the batch, a scalar."""
        logits, labels = model(batch[PIXELS]), batch["labels"]
        right = (logits.argmax(dim=1) == labels).sum()
        self._right = right if self._right is None else self._right.add_(right)
        return F.cross_entropy(logits, labels)

    def taken(self) -> int:
        """Return how many were right since the last call."""
        right, self._right = self._right, None
        return 0 if right is None else int(right)


def image_batch(images: Images, device: torch.device, places: Places) -> Batch:
    """Return the images at `places` `(batch,)` with their labels."""
    chosen = torch.from_numpy(places)
    return {PIXELS: images.pixels[chosen].to(device), "labels": images.labels[chosen].to(device)}


def _drawn(settings: TrainingSettings) -> int:
    """Return the seed of an independent draw."""
    return int(np.random.SeedSequence((settings.seed, settings.draw)).generate_state(1)[0])


def _check(images: Images, settings: TrainingSettings, schedule: Schedule | None, target: Target | None) -> None:
    if not len(images):
        raise InputError("data", "no images are left to train on")
    for name in ("epochs", "batch_size"):
        if getattr(settings, name) < 1:
            raise InputError(name, f"must be at least 1, got {getattr(settings, name)}")
    if (schedule is None) != (target is None):
        raise InputError("schedule", "needs a target of how much to prune, and a target needs a schedule")
    if schedule is not None and schedule.share_after(settings.epochs, settings.epochs) < 1:
        raise InputError("epochs", f"{settings.epochs} are too few for this schedule to reach its sparsity; use more")
