"""Fine-tuning: AdamW, a linear schedule, an early stop on held-out examples, a dense teacher where there is one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from objectives.metrics import Metric
from optimizer.errors import InputError, MachineError
from optimizer.training.randomness import own_randomness
from optimizer.workloads.examples import Examples
from optimizer.workloads.predict import predict, predictions_of

CLIP = 1.0  # of the gradient's norm
BLOCK = 50  # batches sorted by length together: little padding, and still nearly random


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneSettings:
    """How to train; by default with the usual figures for BERT on GLUE (Devlin et al. 2019, appendix A.3)."""

    learning_rate: float = 2e-5
    batch_size: int = 16
    epochs: int = 5
    warmup: float = 0.06  # share of all steps
    weight_decay: float = 0.01
    patience: int = 1  # epochs without a better held-out metric before stopping
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """What a training did. `best` is the held-out metric of the weights kept, None without held-out examples."""

    epochs: int
    steps: int
    seconds: float
    best: float | None
    per_epoch: tuple[float, ...]


def finetune(
    model: nn.Module,
    train: Examples,
    *,
    held_out: Examples | None,
    metric: Metric,
    settings: FinetuneSettings,
    progress: Callable[[int, int], None],
    teacher: nn.Module | None = None,
) -> TrainingResult:
    """Train a model in place, keep the weights of its best epoch, and leave it in evaluation mode.

    With a `teacher`, in evaluation mode and on the model's device, half of the loss is the divergence from its answers
    (Hinton et al. 2015, at temperature 1). `progress` is told (steps done, of all). The global random state is left as
    found. Raises `InputError` where there is nothing to train on, `MachineError` when the loss is no number.
    """
    if not len(train):
        raise InputError("--data", "no examples are left to train on; give a train split")
    started = time.monotonic()
    total = settings.epochs * math.ceil(len(train) / settings.batch_size)
    learner = _Learner(model, settings, total, teacher)
    best = _BestEpoch(model, settings.patience)
    epochs = 0
    with own_randomness(settings.seed, learner.device):
        while epochs < settings.epochs and not best.is_over:
            model.train()
            for batch in _shuffled(train, settings, epochs, learner.device):
                learner.step(batch)
                progress(learner.steps, total)
            model.eval()
            epochs += 1
            if held_out is not None:
                best.see(metric.value(predictions_of(predict(model, held_out)), held_out.labels))
    best.restore()
    return TrainingResult(
        epochs=epochs,
        steps=learner.steps,
        seconds=time.monotonic() - started,
        best=max(best.values, default=None),
        per_epoch=tuple(best.values),
    )


class _Learner:
    """Takes one optimizer step per batch, and counts them."""

    def __init__(self, model: nn.Module, settings: FinetuneSettings, total: int, teacher: nn.Module | None) -> None:
        self.device = next(model.parameters()).device
        self.steps = 0
        self._model, self._teacher = model, teacher
        self._optimizer = torch.optim.AdamW(_parameter_groups(model, settings), lr=settings.learning_rate)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, lambda step: linear_schedule(step, total, settings.warmup)
        )

    def step(self, batch: dict[str, Tensor]) -> None:
        loss = self._loss(**batch)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self._model.parameters(), CLIP)
        if not torch.isfinite(loss.detach() + norm):
            raise MachineError(
                "the training loss is no number; use a lower learning rate, or check the model's weights"
            )
        self._optimizer.step()
        self._schedule.step()
        self.steps += 1

    def _loss(self, labels: Tensor, **inputs: Tensor) -> Tensor:
        logits = self._model(**inputs).logits
        loss = _label_loss(logits, labels)
        if self._teacher is None:
            return loss
        with torch.no_grad():
            wanted = self._teacher(**inputs).logits
        return (loss + _teacher_loss(logits, wanted)) / 2


@dataclass
class _BestEpoch:
    """Remembers the weights of the epoch with the highest held-out metric, the first of equals."""

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


def _label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    if logits.shape[1] == 1:
        return F.mse_loss(logits[:, 0], labels.to(logits.dtype))
    return F.cross_entropy(logits, labels)


def _teacher_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    if logits.shape[1] == 1:
        return F.mse_loss(logits, wanted)
    return F.kl_div(logits.log_softmax(dim=1), wanted.log_softmax(dim=1), log_target=True, reduction="batchmean")


def _parameter_groups(model: nn.Module, settings: FinetuneSettings) -> list[dict[str, object]]:
    """Return two groups: matrices, which decay, and biases and norms, which do not."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def linear_schedule(step: int, total: int, warmup: float) -> float:
    """Return the share of the learning rate at a step from 0: up over the warm-up, then down to nothing."""
    rising = max(1, round(total * warmup))
    return (step + 1) / rising if step < rising else max(0.0, (total - step) / max(1, total - rising))


def _shuffled(
    train: Examples, settings: FinetuneSettings, epoch: int, device: torch.device
) -> Iterator[dict[str, Tensor]]:
    """Yield the batches of an epoch: blocks of random examples, by length inside a block, batches in random order."""
    rng = np.random.default_rng([settings.seed, epoch])
    order = rng.permutation(len(train))
    size = settings.batch_size
    batches = []
    for start in range(0, len(order), size * BLOCK):
        block = order[start : start + size * BLOCK]
        block = block[np.argsort(train.lengths[block], kind="stable")]
        batches += [block[i : i + size] for i in range(0, len(block), size)]
    for index in rng.permutation(len(batches)):
        yield from train.batches(batch_size=size, device=device, order=batches[index])
