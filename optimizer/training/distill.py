"""Distillation: a pruned model learns from its teacher, without labels and without the noise of dropout.

It starts from the weights that the bank has solved for, so one epoch at a high learning rate is enough. The word
embeddings stay as they are: they are most of a small model's parameters, and pruning has not touched them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn

from objectives.device import device_of
from optimizer.tasks.task import Batch
from optimizer.tasks.texts.examples import AnyExamples
from optimizer.training.batches import Places, shuffled
from optimizer.training.checkpoint import Checkpoint
from optimizer.training.cutting import batch_count
from optimizer.training.finetune import CLIP, decayed
from optimizer.training.learner import Learner, Loss, linear_schedule
from optimizer.training.loop import Loop


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillSettings:
    """The settings of a distillation. `epochs` may be a fraction: the schedule always falls to 0 at its end."""

    learning_rate: float
    epochs: float = 1.0
    batch_size: int = 32
    warmup: float = 0.06  # share of all steps
    weight_decay: float = 0.01
    seed: int = 0

    def steps(self, examples: int) -> int:
        """Return the steps of a training on this many examples, at least one."""
        return max(1, round(self.epochs * batch_count(examples, self.batch_size)))


def distill(
    model: nn.Module,
    examples: AnyExamples,
    lesson: Loss,
    settings: DistillSettings,
    *,
    checkpoint: Checkpoint,
    progress: Callable[[int], None] = lambda _steps: None,
) -> None:
    """Train a model in place, and leave it in evaluation mode.

    `checkpoint` keeps the state, at the end as well: after an interrupt the next call takes the steps that are left.
    `progress` receives the steps done. Raises `MachineError` when the loss is NaN or infinite.
    """
    total, device = settings.steps(len(examples)), device_of(model)
    learner = _learner(model, lesson, settings, total)
    checkpoint.restore(learner)
    batches = _batches(examples, settings, total)[learner.steps :]

    def load(places: Places) -> Batch:
        return next(examples.batches(batch_size=len(places), device=device, order=places))

    def after_step(done: int) -> None:
        try:
            progress(done)
        except BaseException:  # a cancel: nothing is lost but the next step
            checkpoint.keep(learner, now=True)
            raise
        checkpoint.keep(learner, now=done == total)

    loop = Loop(learner=learner, draw=lambda: batches, load=load, epochs=1, seed=settings.seed, after_step=after_step)
    if batches:
        loop.run()
    model.eval()


def _batches(examples: AnyExamples, settings: DistillSettings, total: int) -> list[Places]:
    """Return the batches of all steps."""
    rng, batches = np.random.default_rng(settings.seed), list[Places]()
    while len(batches) < total:
        batches += shuffled(examples.lengths, size=settings.batch_size, rng=rng)
    return batches[:total]


def _learner(model: nn.Module, lesson: Loss, settings: DistillSettings, total: int) -> Learner:
    frozen = {id(p) for module in model.modules() if isinstance(module, nn.Embedding) for p in module.parameters()}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) not in frozen)
    return Learner(
        model,
        loss=lesson,
        optimizer=torch.optim.AdamW(decayed(model, settings.weight_decay), lr=settings.learning_rate, fused=True),
        rate=partial(linear_schedule, total=total, warmup=settings.warmup),
        clip=CLIP,
        dropout=False,
    )
