"""Live progress on standard error: stage, count, time left, smallest candidate so far; as much as the width allows."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from api.cli.saying import say
from api.cli.wording import in_flags
from objectives.figures import scaled
from optimizer.progress import STUDY, TITLES, Event
from studies.records import Candidate

WITH_BEST, WITH_BAR = 76, 104  # columns of a terminal from which on these are shown


class LiveProgress:
    """A listener that draws one line per stage.

    `interrupted` makes the message after Ctrl-C from the study's name, which is None before the study is stored.
    The best figure so far is the fewest FLOPs of a drop within `epsilon`, or without one the smallest drop.
    """

    def __init__(
        self,
        console: Console,
        *,
        epsilon: float | None,
        interrupted: Callable[[str | None], str],
        study: str | None = None,
    ) -> None:
        self._console, self._epsilon, self._interrupted, self._study = console, epsilon, interrupted, study
        self._progress = Progress(*_columns(console.width), console=console)
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
            self._say(self._interrupted(self._study))

    def __call__(self, event: Event) -> None:
        """Draw an event."""
        if event.stage == STUDY:
            self._study = event.text
            self._say(f"study {event.text}")
        elif event.stage in TITLES:
            self._draw(event)
        else:
            self._say(event.text)

    def note_candidate(self, candidate: Candidate) -> None:
        """Remember an evaluated candidate's figure if it is the best so far."""
        from optimizer.fronts.views import Measured
        from optimizer.selection.feasible import is_feasible  # brings scipy, which listing studies should not wait for

        if is_feasible(candidate, math.inf if self._epsilon is None else self._epsilon):
            quantity = "drop" if self._epsilon is None else "flops"
            self.note(Measured(candidate.measurements).value(quantity))

    def note(self, figure: float | None) -> None:
        """Remember a candidate's FLOPs, or without an ε its drop, if it is the best so far."""
        if figure is not None:
            self._best = figure if self._best is None else min(self._best, figure)

    def _draw(self, event: Event) -> None:
        if event.candidate is not None:
            self.note_candidate(event.candidate)
        if event.stage not in self._tasks:
            self._tasks[event.stage] = self._progress.add_task("", total=event.total or None, count="", best="")
        self._progress.update(
            self._tasks[event.stage],
            description=event.text or TITLES[event.stage],
            total=event.total or None,
            completed=event.done,
            count=f"{event.done}/{event.total}" if event.total else "",
            best=self._best_so_far() if event.stage == "search" else "",
        )

    def _best_so_far(self) -> str:
        if self._best is None:
            return ""
        if self._epsilon is None:
            return f"smallest drop: {self._best:.4f}"
        return f"least within ε: {scaled(self._best)} FLOPs"

    def _say(self, text: str) -> None:
        say(self._console, in_flags(text))


def _columns(width: int) -> list[ProgressColumn]:
    """Return what fits: count and time left always, the title shortened where it must be."""
    fixed = Column(no_wrap=True)
    room = 36 if width >= WITH_BEST else max(8, width - len(" 1000/1000 0:00:00"))
    return [
        TextColumn(f"{{task.description:<{room}.{room}}}", table_column=fixed, markup=False),
        *([BarColumn(bar_width=20)] if width >= WITH_BAR else []),
        TextColumn("{task.fields[count]:>7}", table_column=fixed),
        TimeRemainingColumn(compact=True, table_column=fixed),
        *([TextColumn("{task.fields[best]}", table_column=fixed)] if width >= WITH_BEST else []),
    ]
