"""A classroom: one teacher has pruned models as students, who learn in step from the same batches.

It is where a worker is. A class that another worker has left, however that ended, goes on from the states in the cache.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from optimizer.errors import MachineError
from optimizer.predict import predict
from optimizer.recovery.pupil import Pupil
from optimizer.recovery.school import School
from optimizer.tasks.task import Task
from optimizer.training.augment import augmentation_of
from optimizer.training.checkpoint import state_path
from optimizer.training.distill import DistillSettings, distill, student
from optimizer.training.history import History, joined
from optimizer.training.student import Student
from optimizer.training.teacher import Lesson
from optimizer.weights import hash_weights
from search_spaces.config import Config
from studies.records import CandidateState, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What has become of a pupil, as far as was asked. A `failure` says how it has ended its workers."""

    history: History = ()
    divergence: float = math.inf
    outcome: Outcome | None = None
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Teach:
    """What becomes of pupils that learn together up to the end of a `rung`, which is counted from 0?

    After the first rung the answer has their divergences, after the second their outcomes. `before` is how much of all
    the parts of a recovery, in steps, is done when they begin.
    """

    pupils: tuple[Pupil, ...]
    rung: int
    before: int
    total: int

    def put_to(self, classroom: Classroom, /) -> tuple[Learned, ...]:
        """Train the pupils and return what has become of each."""
        begin = (0, *classroom.ends)[self.rung]
        taught = classroom.taught(
            self.pupils,
            until=classroom.ends[self.rung],
            report=lambda step: classroom.school.report(self.before + len(self.pupils) * (step - begin), self.total),
        )
        return tuple(
            Learned(
                history=student.history,
                divergence=classroom.divergence(student) if self.rung == 0 else math.inf,
                outcome=classroom.outcome(student, pupil.config) if self.rung == 1 else None,
            )
            for pupil, student in zip(self.pupils, taught, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Finish:
    """How good is a pupil that has learned up to the end of a `rung`? Its weights are kept."""

    pupil: Pupil
    rung: int

    def put_to(self, classroom: Classroom, /) -> Outcome:
        """Return its outcome; one that has learned less than that learns the rest first."""
        if self.pupil.failure:
            return Outcome(state=CandidateState.FAILED, reason=self.pupil.failure)

        def train(model: nn.Module) -> History:
            (student,) = classroom.taught([self.pupil], until=classroom.ends[self.rung])
            return joined(hand_over(student, model), self.pupil.extra)

        return classroom.school.trained(self.pupil.config, train)


def hand_over(student: Student, model: nn.Module) -> History:
    """Give a student's weights to a model of the same shapes, and return the history of its training.

    Raises `MachineError` where the training became unstable.
    """
    if student.failure:
        raise MachineError(student.failure)
    model.load_state_dict(student.model.state_dict())
    return student.history


def share_tables(model: nn.Module, dense: nn.Module) -> None:
    """Let a model have the embedding tables of the dense one, where they are equal: no student changes them.

    They are most of a small model's weights, and of a multilingual one's.
    """
    tables = {path: module for path, module in dense.named_modules() if isinstance(module, nn.Embedding)}
    for path, module in model.named_modules():
        if path in tables and isinstance(module, nn.Embedding) and torch.equal(module.weight, tables[path].weight):
            module.weight = nn.Parameter(tables[path].weight.detach(), requires_grad=False)


class Classroom:
    """Teaches models of one study's candidates. `rungs` end after so many epochs, `ends` are the steps of these."""

    def __init__(self, school: School, rungs: Sequence[float]) -> None:
        self.school, self._rungs = school, tuple(rungs)
        spec = school.spec
        self._settings = DistillSettings(
            rungs=self._rungs,
            seed=spec.seed,
            dtype=school.dtype,
            augmentation=augmentation_of(spec.augment, spec.seed),
        )
        self.ends = self._settings.ends(len(school.train))

    def __reduce__(self) -> tuple[type[Classroom], tuple[Any, ...]]:
        return Classroom, (self.school, self._rungs)

    def taught(
        self, pupils: Sequence[Pupil], *, until: int, report: Callable[[int], None] = lambda _: None
    ) -> list[Student]:
        """Train pupils up to a step and return each as a student.

        What an interrupted run or another worker has done of it is not done again. `report` receives the steps that
        every student has taken.
        """
        models = [self._enrolled(pupil) for pupil in pupils]
        students = [
            student(model, self._lesson, pupil.rate, self._settings, len(self.school.train))
            for pupil, (_, model) in zip(pupils, models, strict=True)
        ]
        distill(
            {key: each for (key, _), each in zip(models, students, strict=True)},
            self.school.train,
            self._settings,
            until=until,
            folder=self.school.folder,
            hear=self._lesson.hear,
            progress=report,
        )
        return students

    def divergence(self, student: Student) -> float:
        """Return the divergence from the teacher on examples held out of training; infinite for an unstable student."""
        if student.failure:
            return math.inf
        task = self._task
        try:
            return task.divergence(self._wanted, predict(student.model, self.school.held_out, task))
        except ValueError:  # the answers are NaN or infinite
            return math.inf

    def outcome(self, student: Student, config: Config) -> Outcome | None:
        """Return how a student does on the search examples; None for an unstable one."""
        if student.failure:
            return None
        try:
            return self.school.outcome(student.model, config)
        except ValueError:  # the answers are NaN or infinite
            return None

    def forget(self, pupils: Sequence[Pupil]) -> None:
        """Remove the states of finished trainings."""
        for pupil in pupils:
            key, _ = self._enrolled(pupil)
            state_path(self.school.folder, key).unlink(missing_ok=True)

    def _enrolled(self, pupil: Pupil) -> tuple[str, nn.Module]:
        """Return the key of a pupil's training, and its model before the first step."""
        model, workload = self.school.to_train(pupil.config), self.school.prepared.workload
        taught = [self.school.teacher.weights_hash, self.school.train.hash, self._settings, pupil.rate]
        key = sha256(repr([hash_weights(model), *taught]).encode()).hexdigest()[:24]
        share_tables(model, workload.model)
        return key, model

    @property
    def _task(self) -> Task:
        return self.school.prepared.workload.task

    @cached_property
    def _lesson(self) -> Lesson:
        teacher = self.school.teacher
        written = [path for group in self.school.prepared.groups for path in group.consumers if teacher.has_layers]
        return Lesson(self._task, teacher.model, tuple(dict.fromkeys(written)))

    @cached_property
    def _wanted(self) -> NDArray[np.float32]:
        return predict(self.school.teacher.model, self.school.held_out, self._task)
