"""A classroom: one teacher has pruned models as students, who learn in step from the same batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any

import torch
from torch import nn

from optimizer.errors import MachineError
from optimizer.families.encoders.loading import hash_weights
from optimizer.predict import predict
from optimizer.recovery.recovery import Recovery
from optimizer.training.augment import augmentation_of
from optimizer.training.checkpoint import state_path
from optimizer.training.distill import DistillSettings, distill, student
from optimizer.training.student import NOTHING, Spent, Student
from optimizer.training.teacher import Lesson
from studies.records import Candidate, Outcome

Report = Callable[[int], None]  # of the steps that every student has taken


@dataclass
class Pupil:
    """The student that a parent's model becomes at one learning rate. `extra` is what was tried in vain for it."""

    parent: Candidate
    rate: float
    key: str
    student: Student
    extra: Spent = NOTHING

    @property
    def record(self) -> dict[str, Any]:
        """What `Classroom.recorded` makes it from again, as JSON data."""
        return {"parent": self.parent.number, "rate": self.rate, "extra": asdict(self.extra)}

    def hand_over(self, model: nn.Module) -> Spent:
        """Give the weights to a model of the same shapes, and return what the training took.

        Raises `MachineError` where the training became unstable.
        """
        if self.student.failure:
            raise MachineError(self.student.failure)
        model.load_state_dict(self.student.model.state_dict())
        return self.student.spent + self.extra


def share_tables(model: nn.Module, dense: nn.Module) -> None:
    """Let a model have the embedding tables of the dense one, where they are equal: no student changes them.

    They are most of a small model's weights, and of a multilingual one's.
    """
    tables = {path: module for path, module in dense.named_modules() if isinstance(module, nn.Embedding)}
    for path, module in model.named_modules():
        if path in tables and isinstance(module, nn.Embedding) and torch.equal(module.weight, tables[path].weight):
            module.weight = nn.Parameter(tables[path].weight.detach(), requires_grad=False)


class Classroom:
    """Teaches models of one study's candidates. `ends` are the steps after which the rungs end."""

    def __init__(self, recovery: Recovery, rungs: Sequence[float]) -> None:
        self._recovery, self._workload = recovery, recovery.prepared.workload
        teacher = recovery.teacher
        written = [path for group in recovery.prepared.groups for path in group.consumers if teacher.has_layers]
        self._lesson = Lesson(self._workload.task, teacher.model, tuple(dict.fromkeys(written)))
        self._wanted = predict(teacher.model, recovery.held_out, self._workload.task)
        spec = recovery.spec
        augmentation = augmentation_of(spec.augment, spec.seed)
        self._settings = DistillSettings(
            rungs=tuple(rungs), seed=spec.seed, dtype=recovery.dtype, augmentation=augmentation
        )
        self.ends = self._settings.ends(len(recovery.train))

    def pupil(self, parent: Candidate, rate: float) -> Pupil:
        """Return the student that a parent becomes at a learning rate."""
        model = self._recovery.to_train(parent)
        train = self._recovery.train
        made_of = [hash_weights(model), self._recovery.teacher.weights_hash, train.hash, self._settings, rate]
        share_tables(model, self._workload.model)
        key = sha256(repr(made_of).encode()).hexdigest()[:24]
        return Pupil(parent, rate, key, student(model, self._lesson, rate, self._settings, len(train)))

    def recorded(self, parent: Candidate, record: Mapping[str, Any]) -> Pupil:
        """Return a parent's pupil as its `record` describes it."""
        return replace(self.pupil(parent, record["rate"]), extra=Spent(**record["extra"]))

    def teach(self, pupils: Sequence[Pupil], *, until: int, report: Report) -> None:
        """Train pupils up to a step; what an interrupted run has done of it is not done again."""
        distill(
            {pupil.key: pupil.student for pupil in pupils},
            self._recovery.train,
            self._settings,
            until=until,
            folder=self._recovery.folder,
            hear=self._lesson.hear,
            progress=report,
        )

    def divergence(self, pupil: Pupil) -> float:
        """Return the divergence from the teacher on examples held out of training; infinite for an unstable pupil."""
        if pupil.student.failure:
            return math.inf
        task = self._workload.task
        try:
            return task.divergence(self._wanted, predict(pupil.student.model, self._recovery.held_out, task))
        except ValueError:  # the answers are NaN or infinite
            return math.inf

    def outcome(self, pupil: Pupil) -> Outcome | None:
        """Return how a pupil does on the search examples; None for an unstable one."""
        if pupil.student.failure:
            return None
        try:
            return self._recovery.outcome(pupil.student.model, pupil.parent.config)
        except ValueError:  # the answers are NaN or infinite
            return None

    def forget(self, pupils: Sequence[Pupil]) -> None:
        """Remove the states of finished trainings."""
        for pupil in pupils:
            state_path(self._recovery.folder, pupil.key).unlink(missing_ok=True)
