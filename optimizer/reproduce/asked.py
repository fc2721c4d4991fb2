"""The options of every preset, whatever its kind of experiment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from optimizer.errors import InputError
from optimizer.reproduce.presets import ScaleName


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the user asks for. None means what the preset says; `directory` holds the data, else the hub does."""

    scale: ScaleName = "quick"
    dataset: str | None = None
    directory: Path | None = None
    model: str | None = None
    runs: int | None = None

    def __post_init__(self) -> None:
        if self.runs is not None and self.runs < 1:
            raise InputError("runs", f"must be at least 1, got {self.runs}")
