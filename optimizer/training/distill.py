"""Distillation: pruned models learn from a teacher, without labels and without the noise of dropout.

They start from the weights that the bank has solved for, so one epoch at a high learning rate is enough. The word
embeddings stay as they are: they are most of a small model's parameters, and pruning has not touched them.

All students learn from a batch before the next one is drawn, so the teacher answers it once for all of them. A training
has rungs, at whose ends it may stop for good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from objectives.device import device_of
from optimizer.precision import computing_in
from optimizer.tasks.cutting import batch_count
from optimizer.tasks.task import Batch
from optimizer.tasks.texts.examples import AnyExamples
from optimizer.training.augment import Augmentation, augmented
from optimizer.training.batches import Places, shuffled
from optimizer.training.checkpoint import Checkpoint
from optimizer.training.finetune import CLIP, decayed
from optimizer.training.learner import Learner, Loss, rung_schedule
from optimizer.training.loop import Epoch, Loop
from optimizer.training.student import Class, Student


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillSettings:
    """The settings of a distillation. `rungs` end after so many epochs, or shares of one, from its beginning."""

    rungs: tuple[float, ...] = (1.0,)
    batch_size: int = 32
    warmup: float = 0.06  # share of the steps of a rung
    weight_decay: float = 0.01
    seed: int = 0
    dtype: torch.dtype = torch.float32  # of the steps
    augmentation: Augmentation | None = None  # of images

    def ends(self, examples: int) -> tuple[int, ...]:
        """Return the steps after which each rung ends in a training on this many examples, at least one a rung."""
        ends, batches = [0], batch_count(examples, self.batch_size)
        for epochs in self.rungs:
            ends.append(max(ends[-1] + 1, round(epochs * batches)))
        return tuple(ends[1:])


def student(model: nn.Module, lesson: Loss, rate: float, settings: DistillSettings, examples: int) -> Student:
    """Return a model that is to learn a lesson at a learning rate, from this many examples."""
    frozen = {id(p) for module in model.modules() if isinstance(module, nn.Embedding) for p in module.parameters()}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) not in frozen)
    learner = Learner(
        model,
        loss=lesson,
        optimizer=torch.optim.AdamW(decayed(model, settings.weight_decay), lr=rate, fused=True),
        rate=partial(rung_schedule, ends=settings.ends(examples), warmup=settings.warmup),
        clip=CLIP,
        dropout=False,
        dtype=settings.dtype,
    )
    return Student(learner)


def distill(
    students: Mapping[str, Student],
    examples: AnyExamples,
    settings: DistillSettings,
    *,
    until: int,
    folder: Path,
    hear: Callable[[Batch], object] = lambda _batch: None,
    progress: Callable[[int], None] = lambda _steps: None,
) -> None:
    """Train students, by the keys of their trainings, up to a step; leave their models in evaluation mode.

    Their states are kept in `folder`, at the end as well: after an interrupt the next call takes the steps that are
    left. `hear` is called with every batch before the students learn from it: what it takes is shared by them.
    `progress` receives the steps done. A student whose training becomes unstable is left with a `failure`.
    """
    checkpoint = Checkpoint(folder, students)
    checkpoint.restore()
    learning = Class([*students.values()])
    batches, of_an_epoch = _batches(examples, settings, until), batch_count(len(examples), settings.batch_size)
    device, stopped = device_of(learning.model), list[BaseException]()

    def load(places: Places) -> Batch:
        batch: Batch = next(examples.batches(batch_size=len(places), device=device, order=places))
        batch = augmented(batch, settings.augmentation, learning.steps)
        with computing_in(settings.dtype, device):
            hear(batch)
        return batch

    def after_step(done: int) -> None:
        try:
            progress(done)
        except BaseException as error:
            stopped.append(error)

    def stretch() -> Iterator[Places]:
        """Yield the next batches of an epoch, until states are to be kept."""
        while learning.is_learning and learning.steps < until:
            yield batches[learning.steps]
            if stopped or checkpoint.is_due or learning.steps % of_an_epoch == 0:
                return

    def after_stretch(taken: Epoch) -> bool:
        learning.settle(-(-learning.steps // of_an_epoch), taken.spent)
        ended = learning.steps >= until or not learning.is_learning
        checkpoint.keep(now=ended or bool(stopped))
        if stopped:
            raise stopped[0]
        return ended

    if learning.is_learning and learning.steps < until:
        Loop(
            learner=learning,
            draw=stretch,
            load=load,
            epochs=until,
            seed=settings.seed,
            after_step=after_step,
            after_epoch=after_stretch,
            dtype=settings.dtype,
        ).run()
    learning.model.eval()


def _batches(examples: AnyExamples, settings: DistillSettings, total: int) -> list[Places]:
    """Return the batches of the first steps of every training of these settings."""
    rng, batches = np.random.default_rng(settings.seed), list[Places]()
    while len(batches) < total:
        batches += shuffled(examples.lengths, size=settings.batch_size, rng=rng)
    return batches[:total]
