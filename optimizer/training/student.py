"""A student: a model in training, with what its training has taken, and a class of them that learn in step."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from optimizer.errors import MachineError
from optimizer.tasks.task import Batch
from optimizer.training.learner import Learner


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a training took: examples learned from, examples that the teacher answered for it alone, and seconds.

    What students share, the teacher's answers above all, counts in equal parts.
    """

    examples: int = 0
    taught: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        """Return the sum."""
        return Spent(
            examples=self.examples + other.examples,
            taught=self.taught + other.taught,
            seconds=self.seconds + other.seconds,
        )


NOTHING = Spent()


class Student:
    """A model in training. `failure` says why its training ended, with the weights before the step that failed."""

    def __init__(self, learner: Learner) -> None:
        self._learner, self.spent, self.failure = learner, NOTHING, ""

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
        return {"learner": self._learner.state_dict(), "failure": self.failure, "spent": asdict(self.spent)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict` of a student that was made alike."""
        self._learner.load_state_dict(state["learner"])
        self.failure, self.spent = state["failure"], Spent(**state["spent"])


class Class:
    """Students that learn from the same batches, each by itself.

    Those that are ahead wait: an interrupt while states were saved leaves some of them at an earlier step.
    """

    def __init__(self, students: Sequence[Student]) -> None:
        self._students = [student for student in students if not student.failure]
        self.steps = min((student.steps for student in self._students), default=0)
        self.model = nn.ModuleList(student.model for student in self._students)
        self._since = time.monotonic()

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
        learning = [student for student in self._students if student.steps == self.steps and not student.failure]
        size, shared, losses = len(batch["labels"]), time.monotonic() - self._since, list[Tensor]()
        for student in learning:
            started = time.monotonic()
            losses.append(student.step(batch))
            seconds = time.monotonic() - started + shared / len(learning)
            student.spent += Spent(examples=size, taught=size / len(learning), seconds=seconds)
        self.steps, self._since = self.steps + 1, time.monotonic()
        return sum(losses, torch.zeros(())) / max(1, len(losses))
