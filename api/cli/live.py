"""Live progress on standard error: stage, how far, best so far, time left."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from optimizer.progress import TITLES, Event
from studies.records import Candidate, CandidateState


class LiveProgress:
    """A listener that draws one bar per stage; `interrupted` is said to whoever presses Ctrl-C meanwhile."""

    def __init__(self, console: Console, *, interrupted: str) -> None:
        self._console, self._interrupted = console, interrupted
        self._progress = Progress(
            TextColumn("{task.description:<36}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[best]}"),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._best: float | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        if kind is KeyboardInterrupt:
            self._console.print(self._interrupted, highlight=False, markup=False)

    def __call__(self, event: Event) -> None:
        """Draw an event."""
        if event.stage not in TITLES:
            self._console.print(event.text, highlight=False, markup=False)
            return
        description = event.text or TITLES[event.stage]
        task = self._tasks.get(event.stage)
        if task is None:
            task = self._tasks[event.stage] = self._progress.add_task(description, total=event.total or None, best="")
        if event.candidate is not None:
            self._note_candidate(event.candidate)
        best = "" if self._best is None or event.stage != "search" else f"smallest within ε: {self._best:.3g} FLOPs"
        self._progress.update(task, description=description, completed=event.done, total=event.total or None, best=best)

    def note(self, flops: float | None) -> None:
        """Remember the FLOPs of a candidate within ε if they are the fewest so far."""
        if flops is not None:
            self._best = flops if self._best is None else min(self._best, flops)

    def _note_candidate(self, candidate: Candidate) -> None:
        """Note a candidate that was evaluated whole: those over ε are stopped on the way."""
        from optimizer.views import Measured  # brings scipy, which whoever only lists studies should not wait for

        if candidate.state is CandidateState.COMPLETE:
            self.note(Measured(candidate.measurements).value("flops"))
