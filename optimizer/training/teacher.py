"""What a teacher tells its students: its outputs, and what its layers give on the way there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

import torch
from torch import Tensor, nn

from optimizer.tasks.task import TARGETS, Batch, Task, ask
from search_spaces.layouts.requests import real_tokens
from search_spaces.layouts.tapped import tapped

INNER = 10.0  # weight of every layer against the outputs, whose distance is in nats
TINY = 1e-12
MOST_KEPT = 2**30  # bytes of answers in memory


class Told(NamedTuple):
    """What the teacher says to a batch: its outputs, and what its layers write by their paths."""

    outputs: Tensor
    written: Mapping[str, Tensor]

    @property
    def size(self) -> int:
        """The bytes that it takes."""
        return sum(tensor.nbytes for tensor in (self.outputs, *self.written.values()))


@dataclass
class Lesson:
    """The loss of a student without labels: a `Loss` of training.

    It is the distance of the outputs from the teacher's (Hinton et al. 2015), and for every layer in `paths` the
    squared distance of what it writes, in parts of the teacher's square (FitNets, Romero et al. 2015; a layer learns
    from its own dense form). The teacher is in evaluation mode and on the students' device. Layers whose outputs have
    another shape than the teacher's are left out.

    All students of one seed see the same batches. The teacher answers the first batches once: up to `MOST_KEPT` bytes
    of answers are kept, which takes in a whole training where only outputs are learned.
    """

    task: Task
    teacher: nn.Module
    paths: Sequence[str]
    _kept: dict[bytes, Told] = field(default_factory=dict)
    _size: int = 0

    def __call__(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the loss of a batch, a scalar."""
        answers, wanted = self._told(batch)
        with tapped(model, self.paths) as given:
            outputs = ask(model, batch)
        loss = self.task.distance(outputs, answers, batch)
        for path in self.paths:
            loss = loss + INNER * _apart(given[path], wanted[path], batch)
        return loss

    def _told(self, batch: Batch) -> Told:
        key = _key(batch)
        if key in self._kept:
            return self._kept[key]
        with torch.no_grad(), tapped(self.teacher, self.paths) as written:
            told = Told(ask(self.teacher, batch), written)
        if self._size + told.size <= MOST_KEPT:
            self._kept[key] = told
            self._size += told.size
        return told


def _key(batch: Batch) -> bytes:
    """Return what tells a batch from all others."""
    digest = sha256()
    for name in sorted({*batch} - TARGETS):
        digest.update(f"{name}{tuple(batch[name].shape)}".encode())
        digest.update(batch[name].cpu().contiguous().numpy().data)
    return digest.digest()


def _apart(given: Tensor, wanted: Tensor, batch: Batch) -> Tensor:
    """Return the squared distance in parts of the square of what is wanted; padding does not count."""
    if given.shape != wanted.shape:
        return torch.zeros((), device=given.device)
    real = real_tokens(batch, wanted)
    if real.shape != wanted.shape[:-1]:  # of one token, or of an image
        real = torch.ones(wanted.shape[:-1], dtype=torch.bool, device=wanted.device)
    counted = real.unsqueeze(-1)
    return ((given - wanted).square() * counted).sum() / (wanted.square() * counted).sum().clamp_min(TINY)
