"""School: what trains models of one study's candidates, in any process that has the prepared study and sees the cache.

The trained weights are kept in the cache, time and energy of the training among the measurements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from objectives.measurement import Conditions
from optimizer.errors import InputError, MachineError
from optimizer.pipeline import Pipeline
from optimizer.precision import name_of, native_dtype
from optimizer.preparation.prepare import Prepared
from optimizer.progress import Report
from optimizer.recovery.weights import WEIGHTS, keep_weights
from optimizer.spec import StudySpec
from optimizer.tasks.texts.examples import AnyExamples
from optimizer.training.history import History, total
from optimizer.views.trainings import training_measurements
from optimizer.workload import Teacher
from search_spaces.config import Config, Form
from studies.records import CandidateState, Outcome

HELD_OUT_SHARE = 0.05  # share of train
HELD_OUT_MOST = 1000
OTHERWISE: Mapping[str, str] = {
    "distill": "`recover=finetune` trains at a lower learning rate",
    "finetune": "`recover=none` finds members without training",
}
"""What to do where a training became unstable, by how it trained."""


Train = Callable[[nn.Module], History]  # trains in place and leaves the model in evaluation mode


@dataclass(frozen=True)
class School:
    """Trains models of one study; `folder` has their weights, and the states of unfinished trainings.

    What is learned is the same in every process. `report` hears how far a training in the driver's own process is.
    """

    spec: StudySpec
    prepared: Prepared
    folder: Path
    report: Report

    def __reduce__(self) -> tuple[type[School], tuple[Any, ...]]:
        return School, tuple(getattr(self, field.name) for field in fields(self))  # examples are cut again there

    @property
    def pipeline(self) -> Pipeline:
        """What builds the models of parents."""
        return self.prepared.pipeline

    @cached_property
    def train(self) -> AnyExamples:
        """The examples to learn from."""
        return self._cut[1]

    @cached_property
    def held_out(self) -> AnyExamples:
        """Training examples that no model learns from: they choose epochs and learning rates."""
        return self._cut[0]

    @property
    def dtype(self) -> torch.dtype:
        """What training steps are computed in."""
        return native_dtype(self.prepared.workload.device)

    @cached_property
    def teacher(self) -> Teacher:
        """The model that the students learn from: the dense one, unless the study names another."""
        workload = self.prepared.workload
        return workload.teacher or Teacher(
            model=workload.model,
            weights_hash=workload.subject.weights_hash,
            flops=self.prepared.space.costs["flops"].dense,
            has_layers=True,
            note="",
        )

    def trained(self, parent: Config, train: Train) -> Outcome:
        """Return the outcome of what `train` makes of a parent's model, whose weights are kept.

        It has failed where the training became unstable.
        """
        config, model = parent.in_form(Form.FINETUNED), self.to_train(parent)
        try:
            history = train(model)
            if self.spec.augment != "none":  # its batch norms have seen augmented images alone
                model = self.pipeline.settled(model)
            model.load_state_dict(self.prepared.workload.family.tensors(model))  # what a file of it would hold
            outcome = self.outcome(model, config)
        except InputError:
            raise
        except (MachineError, ValueError) as error:  # the loss or the answers are NaN or infinite
            reason = f"{error}; {OTHERWISE[self.spec.recover]}"
            return Outcome(state=CandidateState.FAILED, reason=reason)
        return self._with_training(outcome, history, keep_weights(model, self.folder))

    def to_train(self, parent: Config) -> nn.Module:
        """Return a parent's model with weights of its own, as it is when its training begins."""
        return self.pipeline.build(self.pipeline.before_training(parent), share_weights=False)

    def outcome(self, model: nn.Module, config: Config) -> Outcome:
        """Return the outcome of a config of which this is the trained model. Raises `ValueError` as evaluating does."""
        return self.prepared.evaluator.evaluate_model(self.pipeline.after_training(model, config), config)

    @cached_property
    def _cut(self) -> tuple[AnyExamples, AnyExamples]:
        train = self.prepared.workload.train()
        held = min(HELD_OUT_MOST, int(len(train.labels) * HELD_OUT_SHARE))
        return train.take(range(held)), train.take(range(held, len(train.labels)))

    def _with_training(self, outcome: Outcome, history: History, weights: str) -> Outcome:
        """Add what the training spent."""
        epochs = sum(row.examples for row in history) / len(self.train)
        conditions: Conditions = {WEIGHTS: weights, "epochs": round(epochs, 4), "precision": name_of(self.dtype)}
        measured = training_measurements(history, of=len(self.train), conditions=conditions)
        return replace(outcome, measurements=(*outcome.measurements, *measured), seconds=total(history).seconds)
