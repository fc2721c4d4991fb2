"""Energy of training, epoch by epoch, and the memory of a step."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from objectives.device import synchronise
from objectives.energy.computed import Computed
from objectives.energy.process import ProcessAccount, tell_computed
from objectives.energy.spent import NONE, Spent
from objectives.energy.traffic import count_computed
from objectives.memory import peak_memory_bytes
from optimizer.tasks.task import Batch
from optimizer.training.learner import Learner, Loss

Step = Callable[[], tuple[Tensor, Batch]]  # takes a step and returns its loss and its batch


class Metering:
    """What each epoch of a training spends, by an account of this process.

    Where nothing counts the joules of the device, they follow from what the steps compute. The first step is counted
    operator by operator as it is taken; the others compute as much for each number of their batch. As counting takes
    time, that step is taken to spend what the others of its epoch do.
    """

    def __init__(self, account: ProcessAccount, precision: str) -> None:
        """Take an account that counts, and the precision that steps compute in."""
        self._account, self._precision = account, precision
        self._of_a_number: Computed | None = None
        self._numbers, self._counted_numbers, self._counted = 0, 0, NONE

    def begin(self) -> None:
        """Begin an epoch: what was spent before belongs to none."""
        self._numbers, self._counted_numbers, self._counted = 0, 0, NONE
        self._account.take()

    def step(self, step: Step) -> Tensor:
        """Take a step and return its loss."""
        if self._of_a_number is None and self._account.asks:
            return self._count(step)
        loss, batch = step()
        self._numbers += _numbers(batch)
        return loss

    def end(self) -> Spent:
        """Return what the epoch has spent."""
        synchronise(self._account.device)
        if self._of_a_number is not None:
            tell_computed(self._of_a_number.times(self._numbers))
        spent = self._account.take()
        if not self._numbers:
            return self._counted.plus(spent)
        whole = spent.times(1 + self._counted_numbers / self._numbers)
        return whole.peaking_with(self._counted)

    def _count(self, step: Step) -> Tensor:
        taken = list[tuple[Tensor, Batch]]()
        self._account.take()
        computed = count_computed(lambda: taken.append(step()), self._precision)
        tell_computed(computed)
        self._counted = self._account.take()
        [(loss, batch)] = taken
        self._counted_numbers = _numbers(batch)
        self._of_a_number = computed.times(1 / self._counted_numbers)
        return loss


def _numbers(batch: Batch) -> int:
    return sum(tensor.numel() for tensor in batch.values())


def adam(model: nn.Module, learning_rate: float = 1e-3) -> torch.optim.Adam:
    """Return the optimizer of networks of images."""
    return torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)


def training_memory_bytes(model: nn.Module, loss: Loss, batch: Batch, dtype: torch.dtype = torch.float32) -> int:
    """Return the peak of one training step on a copy: weights, gradients, activations, and Adam's memory."""
    trained = copy.deepcopy(model).train()
    optimizer = adam(trained)
    learner = Learner(trained, loss=loss, optimizer=optimizer, dtype=dtype)
    peak = peak_memory_bytes(lambda: learner.step(batch), trained)
    remembered = [value for state in optimizer.state.values() for value in state.values()]
    return peak + sum(int(value.nbytes) for value in remembered if isinstance(value, Tensor))
