"""Training of one run: under its schedule of masks, or as the dense network, which may lose weights at the end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import nn

from optimizer.precision import BY_NAME
from optimizer.reproduce.images.preset import MaskConfiguration
from optimizer.reproduce.images.records import ImageKey
from optimizer.tasks.images.data import Images
from optimizer.tasks.images.scores import accuracy
from optimizer.training.images import Trained, TrainingSettings, train
from search_spaces.transforms.masks.choose import magnitude_scores, without_weakest
from search_spaces.transforms.masks.masks import Masks
from search_spaces.transforms.masks.schedules.table import SCHEDULES
from search_spaces.transforms.masks.target import Target


def trained_by(
    key: ImageKey,
    configuration: MaskConfiguration,
    model: nn.Module,
    images: Images,
    *,
    target: Target | None,
    held_out: Images | None,
    state: Path,
    keeps_end: bool,
) -> Trained:
    """Train `model` in place and return what was done, without the epochs that are finished in the file `state`.

    With `keeps_end` the end is kept there, for the other configurations that train as this one does.
    """
    technique = None if configuration.trains_dense else configuration.technique
    trained = train(
        model,
        images,
        _settings(key),
        schedule=SCHEDULES[technique]() if technique else None,
        target=target if technique else None,
        held_out=held_out,
        state=state,
        keeps_end=keeps_end,
        dtype=BY_NAME[key.training_precision],
    )
    if technique or target is None:
        return trained
    return _pruned(model, trained, target, held_out)


def _pruned(model: nn.Module, trained: Trained, target: Target, held_out: Images | None) -> Trained:
    """Remove the smallest weights of a trained network, of whose last epoch the accuracy is then that without them."""
    masks = Masks(model)
    masks.set(without_weakest(masks.layers, magnitude_scores(masks.layers), target))
    *before, last = trained.epochs
    last = replace(last, accuracy=accuracy(model, held_out) if held_out else None)
    return Trained(epochs=(*before, last), masks=masks)


def _settings(key: ImageKey) -> TrainingSettings:
    return TrainingSettings(
        epochs=key.epochs,
        batch_size=key.batch_size,
        learning_rate=key.learning_rate,
        seed=key.seed,
        draw=key.draw,
    )
