"""Ctrl-C while a study runs, wherever it strikes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

from optimizer.progress import Event, Listener


@contextmanager
def interrupts_end(listener: Listener) -> Iterator[Listener]:
    """Have every interrupt from the terminal end the block as `KeyboardInterrupt`; yields the listener to tell.

    Native code that an interrupt strikes in may lose the exception or raise another one in its place: a lost one is
    raised again at the next event, another one becomes `KeyboardInterrupt`. Where the process handles interrupts in its
    own way, or another thread than the main one runs the block, interrupts are left alone.
    """
    if current_thread() is not main_thread() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield listener
        return
    struck = False

    def strike(number: int, frame: FrameType | None) -> None:
        nonlocal struck
        struck = True
        signal.default_int_handler(number, frame)

    def tell(event: Event) -> None:
        if struck:
            raise KeyboardInterrupt
        listener(event)

    signal.signal(signal.SIGINT, strike)
    try:
        yield tell
    except Exception as error:
        if struck:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
