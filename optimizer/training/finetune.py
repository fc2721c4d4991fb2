"""Fine-tuning: AdamW, a linear schedule, an early stop on held-out examples, a dense teacher where there is one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from objectives.metrics import Metric
from optimizer.errors import MachineError
from optimizer.workloads.examples import Examples
from optimizer.workloads.predict import predict, predictions_of

CLIP = 1.0  # of the gradient's norm
BLOCK = 50  # batches sorted by length together: little padding, and still nearly random


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneSettings:
    """How to train; by default as in the published experiments on GLUE (Devlin et al. 2019; Smarts et al. 2025)."""

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

    With a `teacher` half of the loss is the divergence from the teacher's answers. `progress` is told (steps done, of
    all). The global random state is left as found. Raises `MachineError` when the loss is no number.
    """
    started = time.monotonic()
    per_epoch: list[float] = []
    best: tuple[float, dict[str, Tensor]] | None = None
    steps_each = math.ceil(len(train) / settings.batch_size)
    total, done = steps_each * settings.epochs, 0
    optimizer = _optimizer(model, settings)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _linear(step, total, settings.warmup))
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        for epoch in range(settings.epochs):
            model.train()
            for batch in _shuffled(train, settings, epoch, next(model.parameters()).device):
                _step(model, batch, optimizer, teacher)
                schedule.step()
                done += 1
                progress(done, total)
            model.eval()
            if held_out is None:
                continue
            per_epoch.append(metric.value(predictions_of(predict(model, held_out)), held_out.labels))
            if best is None or per_epoch[-1] > best[0]:
                best = per_epoch[-1], {name: tensor.clone() for name, tensor in model.state_dict().items()}
            elif len(per_epoch) - 1 - per_epoch.index(best[0]) >= settings.patience:
                break
    if best is not None:
        model.load_state_dict(best[1])
    return TrainingResult(
        epochs=done // steps_each,
        steps=done,
        seconds=time.monotonic() - started,
        best=best[0] if best else None,
        per_epoch=tuple(per_epoch),
    )


def _step(
    model: nn.Module, batch: dict[str, Tensor], optimizer: torch.optim.Optimizer, teacher: nn.Module | None
) -> None:
    labels = batch.pop("labels")
    logits = model(**batch).logits
    loss = _label_loss(logits, labels)
    if teacher is not None:
        with torch.no_grad():
            wanted = teacher(**batch).logits
        loss = (loss + _teacher_loss(logits, wanted)) / 2
    if not torch.isfinite(loss):
        raise MachineError("the training loss is no number; use a lower learning rate, or check the model's weights")
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(model.parameters(), CLIP)
    optimizer.step()


def _label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    if logits.shape[1] == 1:
        return F.mse_loss(logits[:, 0], labels.to(logits.dtype))
    return F.cross_entropy(logits, labels)


def _teacher_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    if logits.shape[1] == 1:
        return F.mse_loss(logits, wanted)
    return F.kl_div(logits.log_softmax(dim=1), wanted.log_softmax(dim=1), log_target=True, reduction="batchmean")


def _optimizer(model: nn.Module, settings: FinetuneSettings) -> torch.optim.Optimizer:
    decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]  # biases and norms
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate)


def _linear(step: int, total: int, warmup: float) -> float:
    """Return the share of the learning rate at a step: up over the warm-up, then down to nothing."""
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
