"""Trained once: a dense network that still needs training gets it, or takes the weights that an earlier study kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
from torch import nn

from optimizer.tasks.classification import Classification
from optimizer.tasks.images.examples import ImageExamples
from optimizer.training.augment import Augmentation
from optimizer.training.checkpoint import state_path
from optimizer.training.finetune import FinetuneSettings, finetune
from optimizer.training.history import DenseTraining
from optimizer.views.trainings import history_of, kept_with_training
from optimizer.weights import hash_weights
from search_spaces.transforms.entries import read_entry, read_metadata, write_entry

BATCH, STEPS, EPOCHS = 64, 320, (2, 60)
TRAINED_ON = 10_000  # images at most: minutes on two cores, and a baseline worth pruning
HELD_OUT = 1000


def train_once(
    model: nn.Module,
    pool: ImageExamples,
    *,
    name: str,
    learning_rate: float,
    seed: int,
    augmentation: Augmentation | None,
    folder: Path,
    progress: Callable[[int, int], None],
) -> DenseTraining:
    """Train in place, or take the weights that an earlier study of the same network and images left in `folder`.

    Returns what the training spent, then or now.
    """
    settings = _settings(min(TRAINED_ON, len(pool)), learning_rate, seed)
    recipe = [name, hash_weights(model), pool.hash, repr(settings), TRAINED_ON]
    if augmentation is not None:
        recipe.append(repr(augmentation))
    digest = sha256(json.dumps(recipe).encode()).hexdigest()[:24]
    path, state = folder / f"{name}-{digest}.safetensors", state_path(folder, f"{name}-{digest}")
    weights = read_entry(path)
    if weights is None:
        learnt, held_out = learnt_part(pool, seed)
        result = finetune(
            model,
            learnt,
            held_out=held_out,
            task=Classification(),
            settings=settings,
            progress=progress,
            augmentation=augmentation,
            state=state,
        )
        trained = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
        write_entry(path, trained, metadata=kept_with_training(result.history))
        state.unlink(missing_ok=True)
    else:
        model.load_state_dict(weights)
    model.eval()
    return DenseTraining(history=history_of(read_metadata(path)), is_new=weights is None)


def learnt_part(pool: ImageExamples, seed: int) -> tuple[ImageExamples, ImageExamples]:
    """Return the part of a pool that a network learns from, and the part held out."""
    order = np.random.default_rng(seed).permutation(len(pool))
    held = min(HELD_OUT, len(pool) // 10)
    learnt = order[held : held + TRAINED_ON]
    return pool.subset(learnt), pool.subset(order[:held])


def epochs_for(examples: int) -> int:
    """Return how often so many images are seen: about `STEPS` steps, for any number of them."""
    least, most = EPOCHS
    return min(most, max(least, round(STEPS * BATCH / examples)))


def _settings(examples: int, learning_rate: float, seed: int) -> FinetuneSettings:
    epochs = epochs_for(examples)
    return FinetuneSettings(learning_rate=learning_rate, batch_size=BATCH, epochs=epochs, patience=epochs, seed=seed)
