"""Quiet: suppress the output of libraries that would appear between our lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

_LOCK = Lock()
_open: list[tuple[int, bool]] = []  # what transformers was set to before the first of the threads that keep it quiet


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers from printing progress bars and the weights of a new head."""
    import transformers.utils.logging

    logging: Any = transformers.utils.logging  # untyped

    with _LOCK:
        _open.append(_open[0] if _open else (logging.get_verbosity(), logging.is_progress_bar_enabled()))
        logging.set_verbosity_error()
        logging.disable_progress_bar()
    try:
        yield
    finally:
        with _LOCK:
            level, had_bars = _open.pop()
            if not _open:
                logging.set_verbosity(level)
                if had_bars:
                    logging.enable_progress_bar()


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep optuna from announcing the studies that are only read through it."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)
