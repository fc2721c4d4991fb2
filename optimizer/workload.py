"""A workload: the loaded model with its task and its examples in four roles."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from objectives.metrics import Metric
from optimizer.families.family import Family
from optimizer.families.subject import Subject
from optimizer.objective import OwnObjective
from optimizer.tasks.fresh import Fresh
from optimizer.tasks.task import Task
from optimizer.tasks.texts.examples import AnyExamples
from optimizer.training.history import DenseTraining
from search_spaces.transforms.units.evidence import Criterion

Progress = Callable[[str, int, int], None]
ROLES = ("calibration", "search", "verification")


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A model in evaluation mode whose answers the students learn, on their device; `flops` of one inference.

    With `has_layers` the layers that read what is pruned are those of the dense model, and as wide.
    """

    model: nn.Module
    weights_hash: str
    flops: float
    has_layers: bool
    note: str


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What a study works on. `search_answers` are the dense model's on the search examples.

    `train` prepares what is left for training. `fresh` reads unlabelled examples that neither the study has seen nor a
    collection of fingerprints names. `brings_head`: the model came with a head for the task; `trained` is the training
    that made it, where it is this project's. `criterion` and `objectives` are those given in Python. Without a
    `teacher` students learn from the dense model.
    """

    subject: Subject
    family: Family
    verification: AnyExamples
    train: Callable[[], AnyExamples]
    search_answers: np.ndarray[Any, np.dtype[np.float32]]
    notes: tuple[str, ...]
    fresh: Callable[[Path, Collection[bytes]], Fresh]
    brings_head: bool = True
    trained: DenseTraining | None = None
    teacher: Teacher | None = None
    criterion: Criterion | None = None
    objectives: tuple[OwnObjective, ...] = ()

    @property
    def model(self) -> Any:  # Any: as in the subject
        """The dense model."""
        return self.subject.model

    @property
    def task(self) -> Task:
        """What the model is asked."""
        return self.subject.task

    @property
    def metric(self) -> Metric:
        """The metric of the task."""
        return self.subject.task.metric

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.subject.device

    @property
    def calibration(self) -> AnyExamples:
        """The examples on which units are ranked and weights are solved."""
        return self.subject.calibration

    @property
    def search(self) -> AnyExamples:
        """The examples on which candidates are compared."""
        return self.subject.search

    @property
    def examples_record(self) -> dict[str, dict[str, Any]]:
        """Size and hash of the examples of each role."""
        return {role: {"n": len(getattr(self, role).labels), "hash": getattr(self, role).hash} for role in ROLES}
