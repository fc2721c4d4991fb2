"""The forms in which models are found on a disk, a row each: the first that takes a place opens it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from optimizer.analysis.sources.checkpoints import Checkpoints
from optimizer.analysis.sources.exports import Exports
from optimizer.analysis.sources.graphs import Graphs
from optimizer.analysis.sources.source import Source
from optimizer.analysis.sources.states import States

SOURCES: Sequence[Source] = (Exports(), Checkpoints(), Graphs(), States())


def source_of(place: Path) -> Source | None:
    """Return the form in which a place holds a model, None where it holds none."""
    return next((source for source in SOURCES if source.takes(place)), None)
