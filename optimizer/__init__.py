"""The study itself: spec, workloads, the search loop, verification and hand-over.

The public Python API: `optimize`, `resume`, `load_pruned`, `StudySpec`. Each is loaded when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

PUBLIC = {
    "optimize": "optimizer.run",
    "resume": "optimizer.run",
    "load_pruned": "optimizer.handover.loading",
    "StudySpec": "optimizer.spec",
}

__all__ = ["StudySpec", "load_pruned", "optimize", "resume"]


def __getattr__(name: str) -> Any:  # Any: functions and a class
    if name not in PUBLIC:
        raise AttributeError(f"module 'optimizer' has no attribute {name!r}")
    return getattr(import_module(PUBLIC[name]), name)
