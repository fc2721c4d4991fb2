"""What runs of an experiment leave behind."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from optimizer.ledger import Keyed


class RunKey(BaseModel):
    """All that a run depends on; equal keys are the same run. Each kind of experiment adds its settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str
    dataset: str
    model: str
    configuration: str
    seed: int

    def shared(self) -> dict[str, object]:
        """Return what the runs that are compared with each other share."""
        return self.model_dump(exclude={"configuration", "seed"})


class Recorded(Keyed):
    """A finished run of any kind under its key."""

    key: RunKey

    @property
    def said(self) -> str:
        """What a line of progress says of it."""
        return "done"


class Scored(Recorded):
    """A finished run of what was trained."""

    accuracy: float

    @property
    def said(self) -> str:
        """Its accuracy."""
        return f"accuracy {self.accuracy:.4f}"


Record = TypeVar("Record", bound=Recorded)
