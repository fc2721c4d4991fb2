"""The log of a service: what each of its loggers says, and in which form."""

from __future__ import annotations

import logging

from optimizer.logs import LogFormat, log_to_stderr

ACCESS = "api.access"  # the log of requests, one line each; text leaves it out


def log_of_service(form: LogFormat) -> None:
    """Write the log of this process to standard error: warnings of all, and what our own code says."""
    log_to_stderr(form)
    logging.getLogger("api").setLevel(logging.INFO)
    logging.getLogger(ACCESS).setLevel(logging.INFO if form is LogFormat.JSON else logging.WARNING)
    logging.getLogger("uvicorn").setLevel(logging.INFO)
