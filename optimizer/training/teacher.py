"""What a teacher tells its students: its outputs, and what its layers give on the way there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from optimizer.tasks.task import Batch, Task, ask
from search_spaces.layouts.requests import real_tokens
from search_spaces.layouts.tapped import tapped

INNER = 10.0  # weight of every layer against the outputs, whose distance is in nats
TINY = 1e-12


class Told(NamedTuple):
    """What the teacher says to a batch: its outputs, and what its layers write by their paths."""

    outputs: Tensor
    written: Mapping[str, Tensor]


@dataclass
class Lesson:
    """The loss of a student without labels: a `Loss` of training.

    It is the distance of the outputs from the teacher's (Hinton et al. 2015), and for every layer in `paths` the
    squared distance of what it writes, in parts of the teacher's square (FitNets, Romero et al. 2015; a layer learns
    from its own dense form). The teacher is in evaluation mode and on the students' device. Layers whose outputs have
    another shape than the teacher's are left out.

    The teacher answers a batch once for all students that learn from it before the next.
    """

    task: Task
    teacher: nn.Module
    paths: Sequence[str]
    _heard: tuple[Batch, Told] | None = None

    def __call__(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the loss of a batch, a scalar."""
        answers, wanted = self.hear(batch)
        with tapped(model, self.paths) as given:
            outputs = ask(model, batch).float()
        loss = self.task.distance(outputs, answers, batch)
        for path in self.paths:
            loss = loss + INNER * _apart(given[path], wanted[path], batch)
        return loss

    def hear(self, batch: Batch) -> Told:
        """Return what the teacher says to a batch."""
        if self._heard is None or self._heard[0] is not batch:
            with torch.no_grad(), tapped(self.teacher, self.paths) as written:
                self._heard = batch, Told(ask(self.teacher, batch).float(), written)
        return self._heard[1]


def _apart(given: Tensor, wanted: Tensor, batch: Batch) -> Tensor:
    """Return the squared distance in parts of the square of what is wanted; padding does not count."""
    if given.shape != wanted.shape:
        return torch.zeros((), device=given.device)
    real = real_tokens(batch, wanted)
    if real.shape != wanted.shape[:-1]:  # of one token, or of an image
        real = torch.ones(wanted.shape[:-1], dtype=torch.bool, device=wanted.device)
    counted = real.unsqueeze(-1)
    given, wanted = given.float(), wanted.float()
    return ((given - wanted).square() * counted).sum() / (wanted.square() * counted).sum().clamp_min(TINY)
