"""Learner: one optimizer step per batch, against the labels and, with a teacher, against its answers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optimizer.errors import MachineError

CLIP = 1.0  # of the gradient's norm


class Learner:
    """Trains `model` in place for `total` steps with AdamW, and counts the `steps` taken.

    `warmup` is a share of all steps; weight decay applies to matrices only, not to biases and norms.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        teacher: nn.Module | None,
        learning_rate: float,
        weight_decay: float,
        warmup: float,
        total: int,
    ) -> None:
        self.steps = 0
        self._model, self._teacher = model, teacher
        self._optimizer = torch.optim.AdamW(_parameter_groups(model, weight_decay), lr=learning_rate, fused=True)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, lambda step: linear_schedule(step, total=total, warmup=warmup)
        )

    def step(self, batch: dict[str, Tensor]) -> None:
        """Learn from a batch of model inputs with `labels`. Raises `MachineError` when the loss is NaN or infinite."""
        loss = self._loss(**batch)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self._model.parameters(), CLIP)
        if not torch.isfinite(loss.detach() + norm):
            raise MachineError("the training loss is NaN or infinite; use a lower learning rate, or check the weights")
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


def linear_schedule(step: int, *, total: int, warmup: float) -> float:
    """Return the share of the learning rate at a step from 0: rising over the warm-up, then falling to 0."""
    rising = max(1, round(total * warmup))
    return (step + 1) / rising if step < rising else max(0.0, (total - step) / max(1, total - rising))


def _parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},  # biases and norms
    ]


def _label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    if logits.shape[1] == 1:
        return F.mse_loss(logits[:, 0], labels.to(logits.dtype))
    return F.cross_entropy(logits, labels)


def _teacher_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Return the divergence from the teacher's answers (Hinton et al. 2015, at temperature 1)."""
    if logits.shape[1] == 1:
        return F.mse_loss(logits, wanted)
    return F.kl_div(logits.log_softmax(dim=1), wanted.log_softmax(dim=1), log_target=True, reduction="batchmean")
