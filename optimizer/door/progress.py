"""Progress in Python: a bar on a terminal and in notebooks, callbacks, and cancellation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event as Flag

from rich.console import Console
from rich.progress import Progress

from optimizer.progress import TITLES, CancelledError, Event, Listener


@contextmanager
def listening(on_event: Listener | None, cancel: Flag | None, *, shows_progress: bool) -> Iterator[Listener]:
    """Yield a listener that passes events on, draws them, and raises `CancelledError` once `cancel` is set."""
    console = Console(stderr=True)
    is_seen = shows_progress and (console.is_terminal or console.is_jupyter)
    with Progress(console=console, transient=True, disable=not is_seen) as bar:
        task = bar.add_task("", total=None)

        def listen(event: Event) -> None:
            if on_event is not None:
                on_event(event)
            if cancel is not None and cancel.is_set():
                raise CancelledError("cancelled by the caller")
            if event.stage in TITLES:
                words = event.text or TITLES[event.stage]
                bar.update(task, description=words, total=event.total or None, completed=event.done)

        yield listen
