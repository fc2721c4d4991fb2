"""Progress in Python: a bar on a terminal and in notebooks, callbacks, and cancellation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event as Flag
from typing import Any

from optimizer.progress import TITLES, CancelledError, Event, Listener


@contextmanager
def listening(on_event: Listener | None, cancel: Flag | None, *, shows_progress: bool) -> Iterator[Listener]:
    """Yield a listener that passes events on, draws them, and raises `CancelledError` once `cancel` is set."""
    from tqdm.auto import tqdm

    bar: Any = tqdm(disable=None if shows_progress else True, leave=False)  # None: only on terminals

    def listen(event: Event) -> None:
        if cancel is not None and cancel.is_set():
            raise CancelledError("cancelled by the caller")
        if on_event is not None:
            on_event(event)
        if event.stage in TITLES and not bar.disable:
            _draw(bar, event)

    try:
        yield listen
    finally:
        bar.close()


def _draw(bar: Any, event: Event) -> None:
    bar.set_description_str(event.text or TITLES[event.stage], refresh=False)
    bar.total, bar.n = event.total or None, event.done
    bar.refresh()
