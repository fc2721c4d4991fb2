"""Training of image models: seeded and deterministic, with a schedule of masks where one is given."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor, nn

from objectives.device import device_of
from objectives.measurement import Measurement
from optimizer.errors import InputError, MachineError
from optimizer.tasks.images.data import Images
from optimizer.tasks.images.scores import accuracy
from optimizer.training.cutting import batch_count, in_batches
from optimizer.training.energy import StepCost, count_step, learn, metered
from optimizer.training.randomness import own_randomness
from search_spaces.transforms.masks.masks import Masks
from search_spaces.transforms.masks.schedules.schedule import Schedule, SparseTraining
from search_spaces.transforms.masks.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """How to train, with Adam: neither paper names its optimizer, both state its other settings."""

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What one epoch did.

    `loss` is the mean over its steps, `training_accuracy` the share of its images that the model had right when it saw
    them, dropout included; `accuracy` is that on the examples held out, after it.
    """

    number: int
    loss: float
    training_accuracy: float
    accuracy: float | None
    seconds: float
    energy: Measurement


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
    progress: Callable[[Epoch], None] = lambda _: None,
) -> Trained:
    """Train `model` in place under the masks of `schedule` (None: dense), and leave it in evaluation mode.

    The global random state is unchanged. `held_out` is evaluated after each epoch, outside the time and energy of
    that epoch. Raises `InputError` where there is nothing to train on or too few epochs for the schedule to reach its
    target, `MachineError` when the loss is NaN or infinite.
    """
    _check(images, settings, schedule, target)
    device = device_of(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate, fused=True)
    generator = torch.Generator().manual_seed(settings.seed)
    sparse = SparseTraining(model, target or Target(), generator=generator, optimizer=optimizer)
    training = _Training(sparse, images, settings, schedule=schedule, optimizer=optimizer)
    epochs = []
    with own_randomness(settings.seed, device):
        if schedule is not None:
            schedule.start(sparse)
        for number in range(1, settings.epochs + 1):
            done = metered(
                partial(training.epoch, number), device=device, steps=training.steps, cost=lambda: training.step_cost
            )
            loss, learned = done.result
            epoch = Epoch(
                number=number,
                loss=loss,
                training_accuracy=learned,
                accuracy=accuracy(model, held_out) if held_out else None,
                seconds=done.seconds,
                energy=done.energy,
            )
            epochs.append(epoch)
            progress(epochs[-1])
    model.eval()
    return Trained(epochs=tuple(epochs), masks=sparse.masks)


class _Training:
    """The steps of one training."""

    def __init__(
        self,
        sparse: SparseTraining,
        images: Images,
        settings: TrainingSettings,
        *,
        schedule: Schedule | None,
        optimizer: torch.optim.Optimizer,
    ) -> None:
        self._sparse, self._images, self._settings = sparse, images, settings
        self._schedule, self._optimizer = schedule, optimizer
        self._device = device_of(sparse.model)
        self.steps = batch_count(len(images), settings.batch_size)

    def epoch(self, number: int) -> tuple[float, float]:
        """Train one epoch in a fresh order, change the masks where the schedule does; return mean loss and accuracy."""
        model = self._sparse.model.train()
        total, right = torch.zeros((), device=self._device), torch.zeros((), device=self._device)
        order = torch.randperm(len(self._images)).numpy()
        for chosen in in_batches(order, self._settings.batch_size):
            loss, correct = learn(model, self._optimizer, *self._batch(torch.from_numpy(chosen)))
            total += loss
            right += correct
            self._sparse.keep_masks()
        if self._schedule is not None:
            self._schedule.end_epoch(self._sparse, number, self._settings.epochs)
        if not math.isfinite(float(total)):
            raise MachineError("the training loss is NaN or infinite; use a lower learning rate")
        return float(total) / self.steps, float(right) / len(self._images)

    @cached_property
    def step_cost(self) -> StepCost:
        """What one step on a full batch costs; masks change nothing of it."""
        return count_step(self._sparse.model, *self._batch(torch.arange(self._settings.batch_size)))

    def _batch(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        chosen = chosen % len(self._images)
        return self._images.pixels[chosen].to(self._device), self._images.labels[chosen].to(self._device)


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
