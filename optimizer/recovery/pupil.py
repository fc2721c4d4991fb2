"""A pupil: the config of a lean candidate that is to learn at one learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from optimizer.training.history import History, read, stored
from search_spaces.config import Config
from studies.records import Candidate


@dataclass(frozen=True, slots=True)
class Pupil:
    """A candidate's config with its learning rate. `extra` is what was tried in vain for it.

    One that has ended its workers again and again has a `failure`, and learns no more.
    """

    parent: int  # the candidate's number
    config: Config
    rate: float
    extra: History = field(default=(), hash=False)
    failure: str = ""

    @property
    def record(self) -> dict[str, Any]:
        """What `recorded` makes it from again, as JSON data."""
        record = {"parent": self.parent, "rate": self.rate, "extra": stored(self.extra)}
        return record | ({"failure": self.failure} if self.failure else {})

    @classmethod
    def recorded(cls, parent: Candidate, record: Mapping[str, Any]) -> Self:
        """Return a parent's pupil as its `record` describes it."""
        extra = read(record["extra"])
        return cls(parent.number, parent.config, record["rate"], extra, record.get("failure", ""))
