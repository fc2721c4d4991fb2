"""So far: a training after some of its epochs, from which an interrupted one goes on as if nothing had happened."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from objectives.device import device_of
from optimizer.training.checkpoint import Checkpoint, Stateful
from optimizer.training.history import read_spent
from optimizer.training.learner import Learner
from optimizer.training.randomness import random_state, set_random_state

E = TypeVar("E")


@dataclass
class SoFar(Generic[E]):
    """What a training goes on from: its learner, other `parts` by name, the random state, and epochs of a `kind`.

    A `kind` is a dataclass of plain values, of which `spent` is what the epoch took.
    """

    learner: Learner
    kind: type[E]
    parts: Mapping[str, Stateful]
    epochs: list[E] = field(default_factory=list)

    def state_dict(self) -> dict[str, Any]:
        """Return the state, by plain values and tensors."""
        epochs: Sequence[Any] = self.epochs  # dataclasses
        return {
            "learner": self.learner.state_dict(),
            **{name: part.state_dict() for name, part in self.parts.items()},
            "random": random_state(device_of(self.learner.model)),
            "epochs": json.dumps([asdict(epoch) for epoch in epochs]),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict` of a training that was made alike."""
        self.learner.load_state_dict(state["learner"])
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        set_random_state(state["random"], device_of(self.learner.model))
        epochs = json.loads(state["epochs"])
        self.epochs = [self.kind(**{**epoch, "spent": read_spent(epoch["spent"])}) for epoch in epochs]


@dataclass
class Resumed(Generic[E]):
    """Keeps a training after its epochs in the file `state`, and goes on from there; with None it begins anew.

    Where others go on from its end, that is kept too, with `and_end`.
    """

    so_far: SoFar[E]
    state: Path | None
    and_end: bool = False
    seconds: float = field(init=False, default=0.0)  # of the epochs that an interrupted run has trained

    @cached_property
    def _checkpoint(self) -> Checkpoint | None:
        return Checkpoint(self.state.parent, {self.state.stem: self.so_far}) if self.state else None

    def continued(self) -> Sequence[E]:
        """Restore what an interrupted run has kept and return its epochs."""
        if self._checkpoint:
            self._checkpoint.restore()
        epochs: Sequence[Any] = self.so_far.epochs
        self.seconds = sum(epoch.spent.seconds for epoch in epochs)
        return self.so_far.epochs

    def add(self, epoch: E, *, is_last: bool = False) -> bool:
        """Keep the training after an epoch; return whether that is the last.

        Unless its end is asked for, after the last there is nothing to go on from: whoever is killed there trains it
        again.
        """
        self.so_far.epochs.append(epoch)
        if self._checkpoint and (self.and_end or not is_last):
            self._checkpoint.keep(now=is_last)
        return is_last


@dataclass(frozen=True)
class Draws:
    """The generator of a training's orders."""

    rng: np.random.Generator

    def state_dict(self) -> dict[str, Any]:
        """Return where it is."""
        return {"generator": json.dumps(self.rng.bit_generator.state)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.rng.bit_generator.state = json.loads(state["generator"])
