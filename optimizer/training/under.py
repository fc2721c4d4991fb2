"""Training under masks: a schedule and its target, bound to the model and the optimizer of one training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from search_spaces.transforms.masks.schedules.schedule import Schedule, SparseTraining
from search_spaces.transforms.masks.target import Target


@dataclass(frozen=True)
class Under:
    """The masks to train under; a schedule serves one training."""

    schedule: Schedule
    target: Target

    def begin(self, model: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> MaskedSteps:
        """Return what the steps of a training call. Raises `TypeError` for an optimizer other than Adam."""
        if not isinstance(optimizer, torch.optim.Adam):
            raise TypeError(f"masks are held by Adam's moments, not by {type(optimizer).__name__}")
        generator = torch.Generator().manual_seed(seed)
        return MaskedSteps(self.schedule, SparseTraining(model, self.target, generator=generator, optimizer=optimizer))


@dataclass(frozen=True)
class MaskedSteps:
    """The masks of one training, in force from `start` on."""

    schedule: Schedule
    sparse: SparseTraining

    def start(self) -> None:
        """Set the first masks."""
        self.schedule.start(self.sparse)

    def after_step(self) -> None:
        """Keep what is removed at zero."""
        self.sparse.keep_masks()

    def end_epoch(self, number: int, epochs: int) -> None:
        """Change the masks, if the schedule does."""
        self.schedule.end_epoch(self.sparse, number, epochs)
