"""A student: a model in training, with the history of its training, and a class of them that learn in step."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from objectives.energy.spent import Spent
from optimizer.errors import MachineError
from optimizer.tasks.task import Batch
from optimizer.training.history import History, Learnt, joined, read, stored
from optimizer.training.learner import Learner


class Student:
    """A model in training. `failure` says why its training ended, with the weights before the step that failed."""

    def __init__(self, learner: Learner) -> None:
        self._learner, self.failure = learner, ""
        self.history: History = ()

    @property
    def model(self) -> nn.Module:
        """The model, trained in place."""
        return self._learner.model

    @property
    def steps(self) -> int:
        """The steps taken."""
        return self._learner.steps

    def train(self) -> None:
        """Put the model into training mode."""
        self._learner.train()

    def step(self, batch: Batch) -> Tensor:
        """Learn from a batch and return the loss before it; 0, and a `failure`, where the training became unstable."""
        try:
            return self._learner.step(batch)
        except MachineError as error:
            self.failure = str(error)
            return torch.zeros(())

    def state_dict(self) -> dict[str, Any]:
        """Return all that a training continues from."""
        return {"learner": self._learner.state_dict(), "failure": self.failure, "spent": stored(self.history)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict` of a student that was made alike."""
        self._learner.load_state_dict(state["learner"])
        self.failure, self.history = state["failure"], read(state["spent"])


@dataclass
class _Part:
    """A student's part in what a class does: examples, and seconds."""

    examples: int = 0
    seconds: float = 0.0


class Class:
    """Students that learn from the same batches, each by itself.

    Those that are ahead wait: an interrupt while states were saved leaves some of them at an earlier step.
    """

    def __init__(self, students: Sequence[Student]) -> None:
        self._students = [student for student in students if not student.failure]
        self.steps = min((student.steps for student in self._students), default=0)
        self.model = nn.ModuleList(student.model for student in self._students)
        self._since, self._parts = time.monotonic(), [_Part() for _ in self._students]

    def train(self) -> None:
        """Put all models into training mode."""
        for student in self._students:
            student.train()

    @property
    def is_learning(self) -> bool:
        """Whether the training of any student is still stable."""
        return not all(student.failure for student in self._students)

    def step(self, batch: Batch) -> Tensor:
        """Let every student learn from a batch, and return their mean loss before it."""
        both = zip(self._students, self._parts, strict=True)
        learning = [(s, part) for s, part in both if s.steps == self.steps and not s.failure]
        shared, losses = time.monotonic() - self._since, list[Tensor]()
        for student, part in learning:
            started = time.monotonic()
            losses.append(student.step(batch))
            part.examples += len(batch["labels"])
            part.seconds += time.monotonic() - started + shared / len(learning)
        self.steps, self._since = self.steps + 1, time.monotonic()
        return sum(losses, torch.zeros(())) / max(1, len(losses))

    def settle(self, epoch: int, spent: Spent) -> None:
        """Divide what the class has spent on an epoch since the last call, in proportion to its students' seconds.

        What they share, the teacher's answers above all, counts in equal parts. Peaks of memory are the class's.
        """
        together = sum(part.seconds for part in self._parts)
        for student, part in zip(self._students, self._parts, strict=True):
            if part.examples:
                own = spent.times(part.seconds / together)
                learnt = Learnt(epoch=epoch, examples=part.examples, spent=own)
                student.history = joined(student.history, (learnt,))
        self._parts = [_Part() for _ in self._students]
