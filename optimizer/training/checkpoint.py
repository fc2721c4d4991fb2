"""A checkpoint: the states of unfinished trainings on disk, from which the next run continues."""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from search_spaces.files import written_whole

EVERY = 20.0  # seconds between two states: what a killed process loses at most
SHARE = 0.05  # of the time that saving may take: large states are saved less often
log = logging.getLogger(__name__)


class Stateful(Protocol):
    """What has a state to continue from."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""


@dataclass
class Checkpoint:
    """The states of the trainings of `trained`, by their keys: one file each in `folder`, replaced as a whole."""

    folder: Path
    trained: Mapping[str, Stateful]
    _due: float = field(default_factory=lambda: time.monotonic() + EVERY)

    def restore(self) -> None:
        """Continue where the files left off. A damaged file, and one of another training, counts as absent."""
        for key, trained in self.trained.items():
            stored = _read(state_path(self.folder, key))
            if stored.get("key") == key:
                trained.load_state_dict(stored["state"])

    @property
    def is_due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() >= self._due

    def keep(self, *, now: bool = False) -> None:
        """Save the states when they are due, or `now`."""
        started = time.monotonic()
        if not now and not self.is_due:
            return
        for key, trained in self.trained.items():
            with written_whole(state_path(self.folder, key)) as temporary:
                torch.save({"key": key, "state": trained.state_dict()}, temporary)
        ended = time.monotonic()
        self._due = ended + max(EVERY, (ended - started) / SHARE)


def state_path(folder: Path, key: str) -> Path:
    """Return the file of a training's state."""
    return folder / f"{key}.state"


def _read(path: Path) -> Mapping[str, Any]:
    if not path.exists():
        return {}
    try:
        stored: Mapping[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        log.warning("%s is damaged (%s); this training starts from its beginning", path, error)
        return {}
    return stored
