"""Where a command finds its studies: in a database of this machine's own, or at a server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from rich.console import Console

from api.http.models import StudyView
from optimizer.fronts.bought import BATCH, Double, Standing
from optimizer.spec import StudySpec
from optimizer.views.member import FrontResult, Member, RunResult

Format = Literal["safetensors", "onnx"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelling:
    """What a call of `certify` is given: fresh texts or the labels of a filled-in file, and the next file to write.

    `candidates` and `double` belong to the texts.
    """

    candidates: Sequence[int] = ()
    texts: Path | None = None
    double: Double | None = None
    labels: Path | None = None
    to: Path | None = None
    batch: int = BATCH


class Certified(NamedTuple):
    """What a call of `certify` found: where the purchase stands, notes on the texts, and the file to fill in next."""

    standing: Standing
    notes: Sequence[str]
    written: Path | None


class Studies(Protocol):
    """What every command needs from a store of studies; studies are given by name or number."""

    def run(self, spec: StudySpec, *, name: str | None, console: Console) -> RunResult:
        """Run a new study and show its progress on the console."""

    def resume(self, name: str, *, epsilon: float | None, console: Console) -> RunResult:
        """Resume a study and show its progress on the console."""

    def studies(self, *, tag: str | None = None) -> Sequence[StudyView]:
        """Return all studies, newest first; with `tag` only those that have it."""

    def study(self, name: str) -> StudyView:
        """Return a study with its current state."""

    def result(self, name: str) -> RunResult:
        """Return the result so far."""

    def members(self, name: str) -> Sequence[Member]:
        """Return all evaluated candidates; none before the dense model was measured."""

    def front(
        self,
        name: str,
        *,
        epsilon: float | None,
        objectives: Sequence[str] | None,
        limits: Mapping[str, float],
    ) -> FrontResult:
        """Return the front of the stored candidates; without `limits` the study's own apply."""

    def export(self, name: str, candidate: int, directory: Path, *, format: Format) -> Sequence[Path]:
        """Write a candidate to a new or empty directory; return its files."""

    def certify(self, name: str, asked: Labelling, *, progress: Callable[[str], None]) -> Certified:
        """Begin a purchase of labels or take labels back, and write the file to fill in next."""

    def label(self, name: str, *, tags: Sequence[str] | None, note: str | None) -> StudyView:
        """Replace a study's tags or note; None keeps them."""

    def cancel(self, name: str) -> StudyView:
        """Cancel a waiting study, or stop a running one. Raises an error if there is nothing to cancel."""

    def resume_command(self, slug: str) -> str:
        """Return the command that resumes a study, as it can be typed here."""

    def delete(self, name: str) -> None:
        """Delete a study and everything that belongs to it."""
