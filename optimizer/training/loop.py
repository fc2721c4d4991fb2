"""The training loop: epochs of one step per batch, each scored after it. All trainings of the project run in it.

What differs is handed in: how a step learns (`Learner`), the order of the examples, the score, and what is done
between steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn

from objectives.device import device_of
from objectives.energy.process import accounted
from objectives.energy.spent import Spent
from optimizer.errors import MachineError
from optimizer.precision import name_of
from optimizer.tasks.task import Batch
from optimizer.training.batches import Places
from optimizer.training.energy import Metering
from optimizer.training.learner import UNSTABLE
from optimizer.training.randomness import own_randomness


class Learns(Protocol):
    """What is trained: a `Learner`, or a class of them."""

    @property
    def model(self) -> nn.Module:
        """The model, or all of them."""

    @property
    def steps(self) -> int:
        """The steps taken."""

    def train(self) -> None:
        """Enter training mode."""

    def step(self, batch: Batch) -> Tensor:
        """Learn from a batch and return the loss before it, a scalar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What one epoch did: `loss` is the mean over its steps, `score` that of the model after it.

    `spent` is what the steps took, the score left out.
    """

    loss: float
    score: float | None
    spent: Spent


@dataclass(frozen=True, kw_only=True)
class Loop:
    """One training. `draw` gives the batches of the next epoch, `load` the inputs and labels of one of them.

    `continued` restores what an interrupted run has done and returns its epochs; where it returns none, `start` is
    called. `after_step` is called with the steps done, `watch` with these and the loss of the step, `end_epoch` with
    the number of the epoch, from 1, while it still counts as training: there masks change. `after_epoch` receives the
    scored epoch and returns whether it is the last. Steps compute in `dtype`.
    """

    learner: Learns
    draw: Callable[[], Iterable[Places]]
    load: Callable[[Places], Batch]
    epochs: int
    seed: int
    score: Callable[[], float] | None = None
    start: Callable[[], None] = lambda: None
    continued: Callable[[], Sequence[Epoch]] = tuple
    after_step: Callable[[int], None] = lambda _: None
    watch: Callable[[int, Tensor], None] = lambda _steps, _loss: None
    end_epoch: Callable[[int], None] = lambda _: None
    after_epoch: Callable[[Epoch], bool] = lambda _: False
    dtype: torch.dtype = torch.float32

    def run(self) -> tuple[Epoch, ...]:
        """Train in place, leave the model in evaluation mode, and return the epochs.

        The global random state is unchanged. Raises `MachineError` when the loss is NaN or infinite.
        """
        device = device_of(self.learner.model)
        with own_randomness(self.seed, device), accounted(device, alone=True) as account:
            metering, done = Metering(account, name_of(self.dtype)), list(self.continued())
            if not done:
                self.start()
            while len(done) < self.epochs:
                done.append(self._epoch(len(done) + 1, metering))
                if self.after_epoch(done[-1]):
                    break
        self.learner.model.eval()
        return tuple(done)

    def _epoch(self, number: int, metering: Metering) -> Epoch:
        metering.begin()
        loss = self._learn(number, metering)
        spent = metering.end()
        self.learner.model.eval()
        return Epoch(loss=loss, score=self.score() if self.score else None, spent=spent)

    def _learn(self, number: int, metering: Metering) -> float:
        """Take the steps of one epoch and return their mean loss."""
        self.learner.train()
        before, total = self.learner.steps, torch.zeros((), device=device_of(self.learner.model))
        for places in self.draw():
            loss = metering.step(partial(self._step, places))
            total += loss
            self.watch(self.learner.steps, loss)
        self.end_epoch(number)
        if not math.isfinite(float(total)):
            raise MachineError(UNSTABLE)
        return float(total) / max(1, self.learner.steps - before)

    def _step(self, places: Places) -> tuple[Tensor, Batch]:
        batch = self.load(places)
        loss = self.learner.step(batch)
        self.after_step(self.learner.steps)
        return loss, batch
