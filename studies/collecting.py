"""Garbage: where many records are made at once, Python would look for some among them, again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


@contextmanager
def without_collecting() -> Iterator[None]:
    """Keep Python from looking for garbage inside, and count what was made there among what is old already.

    Otherwise all of it would be looked at three times on its way there. Records are values, so there is none. A process
    that has frozen what it imported keeps that frozen: there, what was made is young.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on and not _has_frozen():
            gc.freeze()
            gc.unfreeze()  # into the oldest generation
        if was_on:
            gc.enable()


@cache  # it is asked once: Python counts what is frozen, object by object
def _has_frozen() -> bool:
    return gc.get_freeze_count() > 0
