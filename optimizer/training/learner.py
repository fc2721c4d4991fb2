"""Learner: one optimizer step per batch, and the losses it may follow."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from objectives.device import device_of
from optimizer.errors import MachineError
from optimizer.precision import computing_in
from optimizer.tasks.task import Batch, Task, ask

Loss = Callable[[nn.Module, Batch], Tensor]  # the scalar that a model minimises on a batch of inputs with `labels`
UNSTABLE = "the training loss is NaN or infinite; check inputs, labels and weights for extreme values"


class Learner:
    """Trains `model` in place and counts the `steps` taken.

    `rate` returns the share of the learning rate at a step from 0 (None: always 1); `clip` is the largest norm of the
    gradient (None: any). Without `dropout` a model in training computes what it computes in use, and its batch norms
    learn. `dtype` is what the loss is computed in; weights and their gradients keep their own.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        loss: Loss,
        optimizer: torch.optim.Optimizer,
        rate: Callable[[int], float] | None = None,
        clip: float | None = None,
        dropout: bool = True,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.model, self.steps, self._dtype = model, 0, dtype
        self._dropout = dropout
        self._frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
        self._loss, self.optimizer, self._clip = loss, optimizer, clip
        self._schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate) if rate else None

    def train(self) -> None:
        """Put the model into training mode."""
        self.model.train(self._dropout)
        for module in self.model.modules():
            if isinstance(module, _BatchNorm):
                module.train()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of model, optimizer and schedule, frozen weights left out."""
        schedule = self._schedule.state_dict() if self._schedule else {}
        return {
            "steps": self.steps,
            "model": {n: t for n, t in self.model.state_dict().items() if n not in self._frozen},
            "optimizer": self.optimizer.state_dict(),
            "schedule": {name: value for name, value in schedule.items() if name != "lr_lambdas"},  # no code
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict` of a learner that was made alike."""
        self.model.load_state_dict(state["model"], strict=False)  # frozen weights are as they were
        self.optimizer.load_state_dict(state["optimizer"])
        if self._schedule:
            own = {"lr_lambdas": [None] * len(self.optimizer.param_groups)}
            self._schedule.load_state_dict(own | state["schedule"])
        self.steps = state["steps"]

    def step(self, batch: Batch) -> Tensor:
        """Learn from a batch and return the loss before it, on the model's device.

        Raises `MachineError`, with the weights unchanged, where the gradient to be clipped is NaN or infinite.
        """
        with computing_in(self._dtype, device_of(self.model)):
            loss = self._loss(self.model, batch)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self._clip is not None:
            norm = nn.utils.clip_grad_norm_(self.model.parameters(), self._clip)
            if not torch.isfinite(loss.detach() + norm):
                raise MachineError(UNSTABLE)
        self.optimizer.step()
        if self._schedule is not None:
            self._schedule.step()
        self.steps += 1
        return loss.detach()


def labels_loss(task: Task) -> Loss:
    """Return the loss of a task against the labels."""
    return lambda model, batch: task.loss(ask(model, batch).float(), batch, reduction="mean")


def taught_loss(task: Task, teacher: nn.Module) -> Loss:
    """Return the mean of the loss against the labels and the distance from the answers of a teacher."""

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        outputs = ask(model, batch).float()
        own = task.loss(outputs, batch, reduction="mean")
        with torch.no_grad():
            wanted = ask(teacher, batch).float()
        return (own + task.distance(outputs, wanted, batch)) / 2

    return loss


def linear_schedule(step: int, *, total: int, warmup: float) -> float:
    """Return the share of the learning rate at a step from 0: rising over the warm-up, then falling to 0."""
    rising = max(1, round(total * warmup))
    return (step + 1) / rising if step < rising else max(0.0, (total - step) / max(1, total - rising))


def rung_schedule(step: int, *, ends: Sequence[int], warmup: float) -> float:
    """Return the share of the learning rate at a step from 0: linear in every rung, 0 after the last.

    `ends` are the steps after which the rungs end. So a training that stops at the end of a rung has settled, and its
    result compares with that of any other.
    """
    rung = bisect_right(ends, step)
    if rung == len(ends):
        return 0.0
    begun = ends[rung - 1] if rung else 0
    return linear_schedule(step - begun, total=ends[rung] - begun, warmup=warmup)
