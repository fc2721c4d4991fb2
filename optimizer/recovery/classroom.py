"""A classroom: one teacher has pruned models as students, each at the learning rate that is best for it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from functools import partial
from hashlib import sha256

from torch import nn

from optimizer.errors import MachineError
from optimizer.predict import predict
from optimizer.recovery.recovery import Recovery, Taken
from optimizer.training.checkpoint import Checkpoint
from optimizer.training.distill import DistillSettings, distill
from optimizer.training.teacher import Lesson
from studies.records import Candidate

RATES = (3e-4, 6e-4)
BRIEF = 1 / 16  # of an epoch: enough to tell which learning rate learns faster
STATES = "*.state"


class Classroom:
    """Teaches the models of one study's candidates. `steps` are those of one student, brief trainings included."""

    def __init__(self, recovery: Recovery) -> None:
        self._workload, self._held_out, self._folder = recovery.prepared.workload, recovery.held_out, recovery.folder
        self._train_examples = recovery.train
        teacher = recovery.teacher
        written = [path for group in recovery.prepared.groups for path in group.consumers if teacher.has_layers]
        self._lesson = Lesson(self._workload.task, teacher.model, tuple(dict.fromkeys(written)))
        self._wanted, self._teacher = predict(teacher.model, self._held_out, self._workload.task), teacher.weights_hash
        settings = partial(DistillSettings, seed=recovery.spec.seed)
        self._brief = {rate: settings(learning_rate=rate, epochs=BRIEF) for rate in RATES}
        self._full = {rate: settings(learning_rate=rate, epochs=recovery.spec.recover_epochs) for rate in RATES}
        self.steps = sum(self._steps(each) for each in (*self._brief.values(), self._full[RATES[0]]))

    def teach(self, model: nn.Module, parent: Candidate, report: Callable[[int], None]) -> Taken:
        """Train a parent's model at the learning rate that is best for it; `report` receives the steps done."""
        done, seconds, divergences = 0, 0.0, dict[float, float]()
        for rate, brief in self._brief.items():
            student = copy.deepcopy(model)
            try:
                seconds += self._train(student, parent, brief, partial(_beyond, report, done))
                divergences[rate] = self._divergence(student)
            except (MachineError, ValueError):  # too high a rate: the loss, or the answers after the last step
                divergences[rate] = math.inf
            done += self._steps(brief)
        full = self._full[min(RATES, key=divergences.__getitem__)]
        seconds += self._train(model, parent, full, partial(_beyond, report, done))
        return Taken(examples=self.steps * full.batch_size, seconds=seconds)

    def close(self) -> None:
        """Remove the states of finished trainings."""
        for state in self._folder.glob(STATES):
            state.unlink(missing_ok=True)

    def _train(
        self, model: nn.Module, parent: Candidate, settings: DistillSettings, report: Callable[[int], None]
    ) -> float:
        """Train a model and return its seconds."""
        of_models = [self._workload.subject.weights_hash, self._teacher, parent.config.digest]
        made_of = [*of_models, self._train_examples.hash, settings]
        key = sha256(repr(made_of).encode()).hexdigest()[:24]
        checkpoint = Checkpoint(self._folder / STATES.replace("*", key), key)
        distill(model, self._train_examples, self._lesson, settings, checkpoint=checkpoint, progress=report)
        return checkpoint.seconds

    def _steps(self, settings: DistillSettings) -> int:
        return settings.steps(len(self._train_examples))

    def _divergence(self, model: nn.Module) -> float:
        task = self._workload.task
        return task.divergence(self._wanted, predict(model, self._held_out, task))


def _beyond(report: Callable[[int], None], done: int, steps: int) -> None:
    report(done + steps)
