"""Learner: one optimizer step per batch, against the labels and, with a teacher, against its answers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from optimizer.errors import MachineError
from optimizer.tasks.task import Batch, Task, ask

CLIP = 1.0  # of the gradient's norm


class Learner:
    """Trains `model` in place for `total` steps with AdamW, and counts the `steps` taken.

    `warmup` is a share of all steps; weight decay applies to matrices only, not to biases and norms.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        task: Task,
        teacher: nn.Module | None,
        learning_rate: float,
        weight_decay: float,
        warmup: float,
        total: int,
    ) -> None:
        self.steps = 0
        self._model, self._task, self._teacher = model, task, teacher
        self._optimizer = torch.optim.AdamW(_parameter_groups(model, weight_decay), lr=learning_rate, fused=True)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, lambda step: linear_schedule(step, total=total, warmup=warmup)
        )

    def step(self, batch: Batch) -> None:
        """Learn from a batch of model inputs with `labels`. Raises `MachineError` when the loss is NaN or infinite."""
        loss = self._loss(batch)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self._model.parameters(), CLIP)
        if not torch.isfinite(loss.detach() + norm):
            raise MachineError("the training loss is NaN or infinite; use a lower learning rate, or check the weights")
        self._optimizer.step()
        self._schedule.step()
        self.steps += 1

    def _loss(self, batch: Batch) -> Tensor:
        outputs = ask(self._model, batch)
        loss = self._task.loss(outputs, batch, reduction="mean")
        if self._teacher is None:
            return loss
        with torch.no_grad():
            wanted = ask(self._teacher, batch)
        return (loss + self._task.distance(outputs, wanted, batch)) / 2


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
