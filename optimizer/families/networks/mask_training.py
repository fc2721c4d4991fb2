"""Training of masked candidates: as the dense network was trained, masks apart."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from optimizer.errors import MachineError
from optimizer.families.networks.origins import FINE_TUNING
from optimizer.families.networks.trained import BATCH, epochs_for, learnt_part
from optimizer.spec import StudySpec
from optimizer.tasks.images.data import Images
from optimizer.tasks.images.examples import ImageExamples
from optimizer.training.history import of_epochs
from optimizer.training.images import TrainingSettings, train
from optimizer.views.trainings import kept_with_training
from search_spaces.transforms.masks.layers import maskable_layers, unit_count
from search_spaces.transforms.masks.schedules.schedule import Schedule
from search_spaces.transforms.masks.target import Target
from search_spaces.transforms.transform import Training

PREFIX = "net."  # of what a classifier's network is called inside it


@dataclass(frozen=True, slots=True)
class Recipe:
    """What every candidate is trained on, and how."""

    images: Images
    settings: TrainingSettings

    def run(self, model: nn.Module, schedule: Schedule, kept: Mapping[str, int], state: Path) -> Mapping[str, str]:
        """Train in place, from where the `state` of an interrupted training is, and return the history.

        Raises `ValueError` where the loss is NaN or infinite: only this candidate fails.
        """
        net = model.get_submodule(PREFIX.removesuffix("."))
        units = {name: unit_count(layer) for name, layer in maskable_layers(net).items()}
        target = Target(scope="per-layer", ratios={n: 1 - kept[f"{PREFIX}{n}"] / units[n] for n in units})
        try:
            trained = train(net, self.images, self.settings, schedule=schedule, target=target, state=state)
        except MachineError as error:
            raise ValueError(str(error)) from error
        return kept_with_training(of_epochs([epoch.spent for epoch in trained.epochs], len(self.images)))


def mask_training(spec: StudySpec, model: nn.Module, pool: ImageExamples, *, learning_rate: float | None) -> Training:
    """Return the training of a study's candidates; `model` is not yet trained on the `pool`.

    `learning_rate` is that of its training; None for a network that was given trained, from which all start.
    """
    learnt, _ = learnt_part(pool, spec.seed)
    images = Images(learnt.pixels, torch.from_numpy(learnt.labels))
    settings = TrainingSettings(
        epochs=spec.epochs or epochs_for(len(learnt)),
        batch_size=BATCH,
        learning_rate=learning_rate or FINE_TUNING,
        seed=spec.seed,
    )
    return Training(
        initial=copy.deepcopy(model),
        words=f"{len(images)} images, {settings!r}",
        examples_hash=pool.hash,
        passes=settings.epochs * len(images),
        run=Recipe(images, settings).run,
        notes=(
            f"every masked candidate but a one-shot one is trained for {settings.epochs} epochs on the "
            f"{len(images)} images that the dense network learns from",
            "the drop also includes the effect of retraining without masks: Adam at a constant rate, and more epochs "
            "where gradual pruning starts from the trained network; with an undertrained baseline it looks better than "
            "it is",
            "sizes are those of the smallest storage; a file of dense tensors is larger",
        ),
    )
