"""Where a command finds its studies: in a database of this machine's own, or at a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

from rich.console import Console

from api.http.models import StudyView
from optimizer.member import FrontResult, Member, RunResult
from optimizer.spec import CostName, StudySpec

Format = Literal["safetensors", "onnx"]


class Studies(Protocol):
    """What every command needs of a place that keeps studies, which are given by name or number."""

    def run(self, spec: StudySpec, *, name: str | None, console: Console) -> RunResult:
        """Run a new study, showing on the console how it goes."""

    def resume(self, name: str, *, epsilon: float | None, console: Console) -> RunResult:
        """Go on with a study, showing on the console how it goes."""

    def studies(self, *, tag: str | None = None) -> Sequence[StudyView]:
        """Return all studies, newest first; those of one tag where it is given."""

    def study(self, name: str) -> StudyView:
        """Return a study as it stands."""

    def result(self, name: str) -> RunResult:
        """Return a whole run, as far as it is."""

    def members(self, name: str) -> Sequence[Member]:
        """Return all evaluated candidates; none before the dense model was measured."""

    def front(
        self,
        name: str,
        *,
        epsilon: float | None,
        objectives: Sequence[CostName] | None,
        limits: Mapping[str, float],
    ) -> FrontResult:
        """Return the front of what is stored; without `limits` those of the study hold."""

    def export(self, name: str, candidate: int, directory: Path, *, format: Format) -> Sequence[Path]:
        """Write a candidate to a new or empty directory; return its files."""

    def label(self, name: str, *, tags: Sequence[str] | None, note: str | None) -> StudyView:
        """Replace what is given of a study's tags and note."""

    def cancel(self, name: str) -> StudyView:
        """Cancel what waits, and have what runs stop. Raises an error where there is nothing to cancel."""

    def resume_command(self, slug: str) -> str:
        """Return the command that resumes a study, as it can be typed here."""

    def delete(self, name: str) -> None:
        """Delete a study with all that belongs to it."""
