"""Kinds of columns that SQLAlchemy lacks: a moment in UTC, names that many rows share, and how JSON data are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from numbers import Number
from typing import Any

from pydantic_core import from_json
from sqlalchemy import JSON, DateTime, Dialect
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """A timezone-aware moment, kept and given back in UTC (SQLite stores no zone, PostgreSQL answers in its own)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - fixed by SQLAlchemy
        """Turn an aware moment to UTC on its way in."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - fixed by SQLAlchemy
        """Mark a naive moment as UTC on its way out."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def read_json(value: Any) -> Any:  # Any: JSON data, as a text; SQLite has numbers as they are
    """Return JSON data as `json` does, at a third of the cost; empty ones, which most measurements have, for less."""
    if value == "{}":
        return {}
    if value == "[]":
        return []
    if value is None or isinstance(value, Number):
        return value
    try:
        return from_json(value)
    except ValueError:
        return json.loads(value)  # lone surrogates, which an older program stored and UTF-8 cannot hold


class Names(TypeDecorator[tuple[str, ...]]):
    """Names, equal ones given back as one object: a long study has a hundred thousand times the same."""

    impl = JSON
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], tuple[str, ...] | None]:
        """Return what reads a value: the text of one, or what a driver has made of it."""
        read = super().result_processor(dialect, coltype)
        return _shared_names if read is None else lru_cache(maxsize=256)(lambda value: _shared_names(read(value)))


def _shared_names(names: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if names is None else _as_one_object(tuple(names))


@lru_cache(maxsize=256)
def _as_one_object(names: tuple[str, ...]) -> tuple[str, ...]:
    return names
