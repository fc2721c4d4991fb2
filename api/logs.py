"""Logs: one line per event on standard error, as text or as JSON, with the ids of what it is about."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum

ACCESS = "api.access"  # the log of requests, one line each; text leaves it out
_about: ContextVar[Mapping[str, object]] = ContextVar("about", default={})  # noqa: B039 - never changed in place


class LogFormat(StrEnum):
    """How a log is written."""

    TEXT = "text"
    JSON = "json"


@contextmanager
def about(**ids: object) -> Iterator[None]:
    """Have every line that is logged inside the block carry these ids."""
    before = _about.set({**_about.get(), **ids})
    try:
        yield
    finally:
        _about.reset(before)


def log_to_stderr(form: LogFormat) -> None:
    """Write the log of this process to standard error: warnings of all, and what our own code says."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form is LogFormat.JSON else logging.Formatter(_TEXT))
    logging.basicConfig(handlers=[handler], force=True)
    logging.getLogger("api").setLevel(logging.INFO)
    logging.getLogger(ACCESS).setLevel(logging.INFO if form is LogFormat.JSON else logging.WARNING)
    logging.getLogger("uvicorn").setLevel(logging.INFO)


_TEXT = "%(asctime)s %(levelname)s %(message)s"


class JsonLines(logging.Formatter):
    """One JSON object per line: time, level, logger, message, the ids, the line's own fields, the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_about.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True, default=str)
