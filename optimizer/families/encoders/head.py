"""A head for a checkpoint that has none: fine-tuned once on what is left of train, kept in the cache, and reused."""

from __future__ import annotations

import json
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from optimizer.errors import InputError
from optimizer.quiet import quiet_transformers
from optimizer.tasks.task import Task
from optimizer.tasks.texts.examples import Examples
from optimizer.training.checkpoint import state_path
from optimizer.training.finetune import FinetuneSettings, finetune
from optimizer.training.history import DenseTraining
from optimizer.training.keep import keep_checkpoint, kept_history
from optimizer.weights import hash_weights

HELD_OUT_SHARE = 0.1  # of train, for early stopping
HELD_OUT_MOST = 2000
USUAL = FinetuneSettings()


def with_trained_head(
    model: Any,  # Any: one transformers class per family
    tokenizer: Any,
    train: Examples,
    task: Task,
    *,
    cache_dir: Path,
    progress: Any,
    settings: FinetuneSettings = USUAL,
) -> tuple[Any, DenseTraining]:
    """Return the model fine-tuned on `train`, from the cache if it was trained before, and what its training spent.

    Raises `InputError` where nothing is left to train on.
    """
    key = sha256(json.dumps([hash_weights(model), train.hash, asdict(settings)]).encode()).hexdigest()[:24]
    kept, state = cache_dir / "checkpoints" / key, state_path(cache_dir / "checkpoints", key)
    if kept.is_dir():
        with quiet_transformers():
            trained = type(model).from_pretrained(kept, local_files_only=True, use_safetensors=True)
        return trained.to(model.device).eval(), DenseTraining(history=kept_history(kept), is_new=False)
    held = min(HELD_OUT_MOST, int(len(train.labels) * HELD_OUT_SHARE))
    if not held:
        raise InputError("model", "has no trained head and no training examples are left; give a fine-tuned model")
    order = np.random.default_rng(0).permutation(len(train.labels))
    result = finetune(
        model,
        train.take(order[held:]),
        held_out=train.take(order[:held]),
        task=task,
        settings=settings,
        progress=lambda done, total: progress("fine-tuning the dense model", done, total),
        state=state,
    )
    keep_checkpoint(model, tokenizer, kept, history=result.history)
    state.unlink(missing_ok=True)
    return model.eval(), DenseTraining(history=result.history, is_new=True)
