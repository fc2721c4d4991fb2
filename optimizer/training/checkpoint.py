"""A checkpoint: the state of an unfinished training on disk, from which the next run continues."""

from __future__ import annotations

import logging
import pickle
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

from optimizer.training.learner import Learner
from search_spaces.files import written_whole

EVERY = 20.0  # seconds between two states: what a killed process loses at most
log = logging.getLogger(__name__)


@dataclass
class Checkpoint:
    """The state of the training `key`, in one file that is replaced as a whole.

    `seconds` are those of the training, interrupted runs included.
    """

    path: Path
    key: str
    seconds: float = 0.0
    _since: float = field(default_factory=time.monotonic)
    _saved: float = field(default_factory=time.monotonic)

    def restore(self, learner: Learner) -> None:
        """Continue where the file left off. A damaged file, and one of another training, counts as absent."""
        self._since = time.monotonic()
        if not self.path.exists():
            return
        try:
            stored = torch.load(self.path, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            log.warning("%s is damaged (%s); this training starts from its beginning", self.path, error)
            return
        if stored.get("key") == self.key:
            learner.load_state_dict(stored["learner"])
            self.seconds = stored["seconds"]

    def keep(self, learner: Learner, *, now: bool = False) -> None:
        """Save the state where the last one is `EVERY` seconds old, or `now`."""
        moment = time.monotonic()
        if not now and moment - self._saved < EVERY:
            return
        self.seconds, self._since = self.seconds + moment - self._since, moment
        with written_whole(self.path) as temporary:
            torch.save({"key": self.key, "seconds": self.seconds, "learner": learner.state_dict()}, temporary)
        self._saved = time.monotonic()
