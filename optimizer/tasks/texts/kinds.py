"""Kinds: what kind of task a user's own data are for, where neither its name nor a metric says so."""

from __future__ import annotations

from optimizer.tasks.texts.known import Source
from optimizer.tasks.texts.sheet import Sheet


def kind_of_data(source: Source, sheet: Sheet) -> str:  # noqa: ARG001 - so far all are one kind
    """Return the kind of task that the columns of a split are for."""
    return "classification"
