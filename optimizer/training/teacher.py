"""Lessons: batches with a teacher's outputs on them, computed once for all students that see the same batches."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from objectives.device import device_of
from optimizer.tasks.task import TAUGHT, Batch, Task, ask
from optimizer.tasks.texts.examples import AnyExamples
from optimizer.training.batches import Places
from optimizer.training.learner import Loss


@dataclass(frozen=True)
class Lessons:
    """The examples of a training, and their teacher, in evaluation mode and on the students' device.

    The outputs on every batch are kept in memory: of a classifier, a few bytes per example.
    """

    examples: AnyExamples
    teacher: nn.Module
    _outputs: dict[bytes, Tensor] = field(default_factory=dict)

    @property
    def asked(self) -> int:
        """The examples that the teacher has answered."""
        return sum(map(len, self._outputs.values()))

    def __call__(self, places: Places) -> Batch:
        """Return the inputs and labels of the examples at `places` `(batch,)`, and the teacher's outputs on them."""
        device, key = device_of(self.teacher), places.tobytes()
        batch = next(self.examples.batches(batch_size=len(places), device=device, order=places))
        if key not in self._outputs:
            with torch.no_grad():
                self._outputs[key] = ask(self.teacher, batch)
        return {**batch, TAUGHT: self._outputs[key]}


def lesson_loss(task: Task) -> Loss:
    """Return the distance of a student's outputs from its teacher's, without labels (Hinton et al. 2015)."""
    return lambda model, batch: task.distance(ask(model, batch), batch[TAUGHT], batch)
