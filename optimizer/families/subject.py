"""Subject: the dense model that a family is bound to, what it is asked, and the examples that pruning looks at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from optimizer.tasks.task import Task, contrasts, summed_loss
from optimizer.tasks.texts.examples import AnyExamples
from search_spaces.layouts.layout import Layout
from search_spaces.transforms.transform import Dense
from search_spaces.transforms.units.evidence import Criterion


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A dense model in evaluation mode on `device`; units are ranked on `calibration`, configs compared on `search`."""

    model: Any  # Any: one transformers class per architecture, or a network of images
    weights_hash: str
    device: torch.device
    calibration: AnyExamples
    search: AnyExamples
    task: Task

    def dense(self, criterion: str | Criterion, find_layout: Callable[[], Layout], *, batch_size: int) -> Dense:
        """Return the model as transforms see it, with batches of so many calibration examples."""
        return Dense(
            model=self.model,
            find_layout=find_layout,
            weights_hash=self.weights_hash,
            examples_hash=self.calibration.hash,
            batches=lambda: self.calibration.batches(batch_size=batch_size, device=self.device),
            loss=summed_loss(self.task),
            answers=contrasts(self.task),
            criterion=criterion,
        )
