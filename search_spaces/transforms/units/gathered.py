"""Gathered: the part of all evidence that lies on disk, whatever the model reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from search_spaces.transforms.entries import read_entry
from search_spaces.transforms.transform import Dense, Progress


def unheard(_done: int, _total: int) -> None:
    """Hear nothing."""


class Gathered(ABC):
    """The part of all evidence that lies on disk, in `folder`: a missing entry is gathered together with all others.

    `told` is told of the parts in which it is gathered.
    """

    told: Progress

    def __init__(self, dense: Dense, folder: Path) -> None:
        self.dense, self.folder = dense, folder
        self.told = unheard

    @contextmanager
    def telling(self, progress: Progress) -> Iterator[None]:
        """Have `progress` told inside the block."""
        self.told = progress
        try:
            yield
        finally:
            self.told = unheard  # evidence goes to other processes

    @abstractmethod
    def gather(self) -> None:
        """Write the entries of all groups."""

    def entry(self, name: str) -> dict[str, Tensor]:
        """Return an entry, on the device of the model."""
        path = self.folder / f"{name}.safetensors"
        entry = read_entry(path)
        if entry is None:
            self.gather()
            entry = read_entry(path)
        if entry is None:
            raise OSError(f"{path} vanished while it was being read; run again")
        return entry
