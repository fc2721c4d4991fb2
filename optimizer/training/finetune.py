"""Fine-tuning: AdamW, a linear schedule, early stopping on held-out examples and, optionally, a dense teacher.

The one training loop of the project: it trains heads, recovers pruned models, and makes the built-in model.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor, nn

from optimizer.errors import InputError
from optimizer.predict import predict
from optimizer.tasks.task import Task
from optimizer.tasks.texts.examples import AnyExamples
from optimizer.training.batches import Batches, shuffled_batches
from optimizer.training.cutting import batch_count
from optimizer.training.learner import Learner
from optimizer.training.randomness import own_randomness


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
    """The record of a training. `best` is the held-out metric of the weights kept, None without held-out examples."""

    epochs: int
    steps: int
    seconds: float
    best: float | None
    per_epoch: tuple[float, ...]


def finetune(
    model: nn.Module,
    train: AnyExamples,
    *,
    held_out: AnyExamples | None,
    task: Task,
    settings: FinetuneSettings,
    progress: Callable[[int, int], None],
    teacher: nn.Module | None = None,
    batches: Batches = shuffled_batches,
) -> TrainingResult:
    """Train a model in place, keep the weights of its best epoch, and leave it in evaluation mode.

    With a `teacher`, in evaluation mode and on the model's device, half of the loss is the divergence from its
    answers. `progress` receives (steps done, all steps). The global random state is unchanged.
    Raises `InputError` without training examples, `MachineError` when the loss is NaN or infinite.
    """
    if not len(train):
        raise InputError("data", "no examples are left to train on; give a train split, or a larger one")
    started = time.monotonic()
    total = settings.epochs * batch_count(len(train), settings.batch_size)
    learner = Learner(
        model,
        task=task,
        teacher=teacher,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup=settings.warmup,
        total=total,
    )
    best = _BestEpoch(model, settings.patience)
    device, rng, epochs = next(model.parameters()).device, np.random.default_rng(settings.seed), 0
    with own_randomness(settings.seed, device):
        while epochs < settings.epochs and not best.is_over:
            model.train()
            for batch in batches(train, batch_size=settings.batch_size, rng=rng, device=device):
                learner.step(batch)
                progress(learner.steps, total)
            model.eval()
            epochs += 1
            if held_out:  # neither None nor empty, as of a small train split
                predictions = task.predictions(predict(model, held_out, task), held_out)
                best.see(task.metric.value(predictions, held_out.labels))
    best.restore()
    return TrainingResult(
        epochs=epochs,
        steps=learner.steps,
        seconds=time.monotonic() - started,
        best=max(best.values, default=None),
        per_epoch=tuple(best.values),
    )


@dataclass
class _BestEpoch:
    """Remembers the weights of the first epoch with the highest held-out metric."""

    model: nn.Module
    patience: int
    values: list[float] = field(default_factory=list)
    _weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether patience has run out."""
        return bool(self.values) and len(self.values) - 1 - self.values.index(max(self.values)) >= self.patience

    def see(self, value: float) -> None:
        if value > max(self.values, default=-math.inf):
            self._weights = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self.values.append(value)

    def restore(self) -> None:
        if self._weights:
            self.model.load_state_dict(self._weights)
