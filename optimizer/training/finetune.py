"""Fine-tuning: AdamW, a linear schedule, early stopping on held-out examples and, optionally, a dense teacher.

It trains heads and networks of images, recovers pruned models, and makes the built-in model.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from objectives.device import device_of
from optimizer.errors import InputError
from optimizer.predict import predict
from optimizer.tasks.cutting import batch_count
from optimizer.tasks.task import Batch, Task
from optimizer.tasks.texts.examples import AnyExamples
from optimizer.training.augment import Augmentation, augmented
from optimizer.training.batches import Order, Places, shuffled
from optimizer.training.checkpoint import Stateful
from optimizer.training.history import History, of_epochs
from optimizer.training.learner import Learner, labels_loss, linear_schedule, taught_loss
from optimizer.training.loop import Epoch, Loop
from optimizer.training.so_far import Draws, Resumed, SoFar
from optimizer.training.under import MaskedSteps, Under

CLIP = 1.0  # of the gradient's norm


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneSettings:
    """The settings of a training; the defaults are usual for BERT on GLUE (Devlin et al. 2019, appendix A.3)."""

    learning_rate: float = 2e-5
    batch_size: int = 16
    epochs: int = 5
    warmup: float = 0.06  # share of all steps
    weight_decay: float = 0.01
    patience: int = 1  # epochs without a better held-out metric before stopping
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """The record of a training on so many `examples` per epoch.

    `best` is the held-out metric of the weights kept, None without held-out examples.
    """

    epochs: tuple[Epoch, ...]
    examples: int
    steps: int
    seconds: float
    best: float | None

    @property
    def history(self) -> History:
        """What its epochs spent."""
        return of_epochs([epoch.spent for epoch in self.epochs], self.examples)


def finetune(
    model: nn.Module,
    train: AnyExamples,
    *,
    held_out: AnyExamples | None,
    task: Task,
    settings: FinetuneSettings,
    progress: Callable[[int, int], None],
    teacher: nn.Module | None = None,
    order: Order = shuffled,
    dtype: torch.dtype = torch.float32,
    augmentation: Augmentation | None = None,
    under: Under | None = None,
    watch: Callable[[int, Tensor], None] = lambda _steps, _loss: None,
    state: Path | None = None,
) -> TrainingResult:
    """Train a model in place, keep the weights of its best epoch, and leave it in evaluation mode.

    With a `teacher`, in evaluation mode and on the model's device, half of the loss is the divergence from its
    answers. Steps are computed in `dtype`, and see images under an `augmentation`; masks `under` a schedule keep what
    they remove at zero. `progress` receives (steps done, all steps), `watch` the steps done and the loss of the last
    one; it leaves the model in training mode. With a `state`, a file, the epochs that an interrupted run has kept there
    are not trained again. The global random state is unchanged. Raises `InputError` without
    training examples, `MachineError` when the loss is NaN or infinite.
    """
    if not len(train):
        raise InputError("data", "no examples are left to train on; give a train split, or a larger one")
    started, device = time.monotonic(), device_of(model)
    total = settings.epochs * batch_count(len(train), settings.batch_size)
    learner = learner_of(model, task, teacher, settings, total=total, dtype=dtype)
    guessed = task.trivial(held_out.labels) if held_out else -math.inf
    best = _BestEpoch(model, settings.patience, guessed)
    masks = under.begin(model, learner.optimizer, settings.seed) if under else None
    draws = Draws(np.random.default_rng(settings.seed))
    parts: dict[str, Stateful] = {"best": best, "draws": draws}
    if masks:
        parts["masks"] = masks.sparse
    resumed = Resumed(SoFar(learner, Epoch, parts), state)

    def load(places: Places) -> Batch:
        batch = next(train.batches(batch_size=len(places), device=device, order=places))
        return augmented(batch, augmentation, learner.steps)

    def score(held: AnyExamples) -> float:
        return task.metric.value(task.predictions(predict(model, held, task), held), held.labels)

    epochs = Loop(
        learner=learner,
        draw=partial(order, train.lengths, size=settings.batch_size, rng=draws.rng),
        load=load,
        epochs=settings.epochs,
        seed=settings.seed,
        score=partial(score, held_out) if held_out else None,  # neither None nor empty, as of a small train split
        start=lambda: masks.start() if masks else None,
        continued=resumed.continued,
        after_step=lambda done: _after(done, total, masks, progress),
        watch=watch,
        end_epoch=lambda number: masks.end_epoch(number, settings.epochs) if masks else None,
        after_epoch=lambda epoch: resumed.add(epoch, is_last=best.see(epoch)),
        dtype=dtype,
    ).run()
    best.restore()
    seconds = time.monotonic() - started + resumed.seconds
    return TrainingResult(
        epochs=epochs,
        examples=len(train),
        steps=learner.steps,
        seconds=seconds,
        best=max(best.values, default=None),
    )


def _after(done: int, total: int, masks: MaskedSteps | None, progress: Callable[[int, int], None]) -> None:
    if masks:
        masks.after_step()
    progress(done, total)


def learner_of(
    model: nn.Module,
    task: Task,
    teacher: nn.Module | None,
    settings: FinetuneSettings,
    *,
    total: int,
    dtype: torch.dtype = torch.float32,
) -> Learner:
    """Return what trains a model in `total` steps."""
    return Learner(
        model,
        loss=taught_loss(task, teacher) if teacher else labels_loss(task),
        optimizer=torch.optim.AdamW(decayed(model, settings.weight_decay), lr=settings.learning_rate, fused=True),
        rate=partial(linear_schedule, total=total, warmup=settings.warmup),
        clip=CLIP,
        dtype=dtype,
    )


def decayed(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Return the groups of parameters: matrices decay, biases and norms do not."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


@dataclass
class _BestEpoch:
    """Remembers the weights of the first epoch with the highest held-out metric.

    Patience begins with the first epoch that is better than `guessed`: a head that answers alike to all has only begun
    to learn.
    """

    model: nn.Module
    patience: int
    guessed: float
    values: list[float] = field(default_factory=list)
    _weights: dict[str, Tensor] = field(default_factory=dict)

    def see(self, epoch: Epoch) -> bool:
        """Return whether patience has run out."""
        if epoch.score is None:
            return False
        if epoch.score > max(self.values, default=-math.inf):
            self._weights = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self.values.append(epoch.score)
        best = max(self.values)
        return best > self.guessed and len(self.values) - 1 - self.values.index(best) >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """Return what was seen."""
        return {"values": self.values, "weights": self._weights}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.values, self._weights = list(state["values"]), dict(state["weights"])

    def restore(self) -> None:
        if self._weights:
            self.model.load_state_dict(self._weights)
