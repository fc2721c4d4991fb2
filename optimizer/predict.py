"""Predict: a model's answers on examples, batched by length, returned in the examples' order."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from optimizer.tasks.task import Task, ask
from optimizer.tasks.texts.examples import AnyExamples


def predict(
    model: nn.Module, examples: AnyExamples, task: Task, *, batch_size: int | None = None
) -> NDArray[np.float32]:
    """Return the task's answers `(n, …)` in the examples' order. The model must be in evaluation mode."""
    device = next(model.parameters()).device
    batch_size = batch_size or max(1, _batch_size(len(examples), device) // examples.inputs_each)
    order = np.argsort(examples.lengths, kind="stable")
    batches = examples.batches(batch_size=batch_size, device=device, order=order)
    with torch.inference_mode():
        parts = [task.answers(ask(model, batch), batch) for batch in batches]
    by_length = torch.cat(parts).float().cpu().numpy()
    answers = np.empty_like(by_length)
    answers[order] = by_length
    return answers


def _batch_size(examples: int, device: torch.device) -> int:
    """Return how many examples go through the model at once.

    A CPU computes 16 to 64 sentences equally fast, so small batches, which pad least, win: in chunks of 125 sentences
    of SST-2 those of 16 have 11 % of padding and those of 32 have 23 %; of all 872 sorted by length 2 % and 4 %.
    """
    if device.type != "cpu":
        return 256
    return 16 if examples <= 256 else 32
