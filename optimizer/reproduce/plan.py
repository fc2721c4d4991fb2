"""Plan: what a command would run, and what of it is finished already, before anything is loaded."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from optimizer.ledger import Ledger
from optimizer.reproduce.ledger import RunKey
from optimizer.reproduce.reproduce import Experiment

NAMED = {"preset", "dataset", "model"}


class Part(BaseModel):
    """The runs that are compared with each other: of one model on one data set, under the same `settings`."""

    model_config = ConfigDict(frozen=True)

    dataset: str
    model: str
    configurations: tuple[str, ...]
    seeds: int
    runs: int
    finished: int
    settings: dict[str, Any]


class Plan(BaseModel):
    """All parts of a command."""

    model_config = ConfigDict(frozen=True)

    schema_version: int = 1
    preset: str
    scale: str
    parts: tuple[Part, ...]

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return sum(part.runs for part in self.parts)

    @property
    def finished(self) -> int:
        """How many of them a run before this one has finished."""
        return sum(part.finished for part in self.parts)


def plan_of(experiment: Experiment[Any, Any], output: Path) -> Plan:
    """Return what would be run into `output`. Raises `InputError` for runs there that are of another version."""
    ledger = Ledger(output / "runs.jsonl", experiment.record)
    parts = groupby(experiment.plan(), key=lambda key: key.shared())
    return Plan(
        preset=experiment.preset.name,
        scale=experiment.asked.scale,
        parts=tuple(_part(list(keys), ledger) for _, keys in parts),
    )


def _part(keys: list[RunKey], ledger: Ledger[Any]) -> Part:
    first = keys[0]
    return Part(
        dataset=first.dataset,
        model=first.model,
        configurations=tuple(dict.fromkeys(key.configuration for key in keys)),
        seeds=len({key.seed for key in keys}),
        runs=len(keys),
        finished=sum(ledger.get(key) is not None for key in keys),
        settings={name: value for name, value in first.shared().items() if name not in NAMED},
    )
