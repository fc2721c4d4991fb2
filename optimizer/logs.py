"""Logs: one line per event on standard error, as text or as JSON, with the ids of what it is about."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from opentelemetry.trace import get_current_span

REQUEST = "request"  # the id of a request, in the lines of what it asked for as well
_about: ContextVar[dict[str, object] | None] = ContextVar("about", default=None)
_TEXT = "%(asctime)s %(levelname)s %(message)s"
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {0x2028: " ", 0x2029: " "}


class LogFormat(StrEnum):
    """How a log is written."""

    TEXT = "text"
    JSON = "json"


@contextmanager
def about(**more: object) -> Iterator[None]:
    """Have every line that is logged inside the block carry these ids."""
    before = _about.set({**ids(), **more})
    try:
        yield
    finally:
        _about.reset(before)


def add_about(**more: object) -> None:
    """Have all further lines of the block carry these ids too, in whatever thread of it they are logged."""
    found = _about.get()
    if found is not None:
        found.update(more)


def ids() -> Mapping[str, object]:
    """Return the ids that lines carry here."""
    return {**_inherited, **(_about.get() or {})}


def log_to_stderr(form: LogFormat) -> None:
    """Write the log of this process to standard error."""
    global _form
    _form = form
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form is LogFormat.JSON else TextLines(_TEXT))
    logging.basicConfig(handlers=[handler], force=True)
    logging.captureWarnings(form is LogFormat.JSON)


@dataclass(frozen=True)
class Log:
    """How a process logs, and the ids that its lines carry: what a process that it starts takes over.

    `form` is None in a process that has chosen none.
    """

    form: LogFormat | None
    ids: Mapping[str, object]

    @classmethod
    def here(cls) -> Log:
        """Return that of this process and of the block that asks."""
        return cls(_form, {**ids(), **_trace()})

    def take_over(self) -> None:
        """Have all lines of this process, whatever thread logs them, be of this form and carry these ids."""
        global _inherited
        if self.form is not None:
            log_to_stderr(self.form)
            _inherited = self.ids


_form: LogFormat | None = None
_inherited: Mapping[str, object] = {}


def _trace() -> dict[str, str]:
    """Return the id of the trace that a line belongs to, if it belongs to any."""
    span = get_current_span().get_span_context()
    return {"trace": f"{span.trace_id:032x}"} if span.is_valid else {}


class TextLines(logging.Formatter):
    """One line of text per event; a caller's line breaks and other control characters begin no line of their own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - fixed by logging
        """Return the line without the traceback, which has lines of its own."""
        record.message = record.message.translate(_CONTROLS)
        return super().formatMessage(record)


class JsonLines(logging.Formatter):
    """One JSON object per line: time, level, logger, message, the ids, the line's own fields, the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **ids(),
            **_trace(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True, default=str)
