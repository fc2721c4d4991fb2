"""The study itself: spec, workloads, the search loop, verification and hand-over.

The public Python API is `PUBLIC`. Each of its names is loaded when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers and editors
    from optimizer.door.analyze import analyze
    from optimizer.door.entry import export_candidate, open_front, optimize, resume
    from optimizer.door.estimators import PrunedClassifier, PrunedRegressor
    from optimizer.door.found import Front
    from optimizer.engine import Engine
    from optimizer.fronts.recommendation import recommend
    from optimizer.handover.loading import load_pruned
    from optimizer.measuring.calibration import calibrate
    from optimizer.progress import CancelledError, Event
    from optimizer.spec import StudySpec
    from optimizer.tasks.images.data import ImageData, Images, Normalisation, load_images

PUBLIC = {
    "analyze": "optimizer.door.analyze",
    "calibrate": "optimizer.measuring.calibration",
    "optimize": "optimizer.door.entry",
    "open_front": "optimizer.door.entry",
    "resume": "optimizer.door.entry",
    "Front": "optimizer.door.found",
    "PrunedClassifier": "optimizer.door.estimators",
    "PrunedRegressor": "optimizer.door.estimators",
    "Engine": "optimizer.engine",
    "CancelledError": "optimizer.progress",
    "Event": "optimizer.progress",
    "recommend": "optimizer.fronts.recommendation",
    "export_candidate": "optimizer.door.entry",
    "load_pruned": "optimizer.handover.loading",
    "StudySpec": "optimizer.spec",
    "load_images": "optimizer.tasks.images.data",
    "ImageData": "optimizer.tasks.images.data",
    "Images": "optimizer.tasks.images.data",
    "Normalisation": "optimizer.tasks.images.data",
}

__all__ = [
    "CancelledError", "Engine", "Event", "Front", "ImageData", "Images", "Normalisation", "PrunedClassifier",
    "PrunedRegressor", "StudySpec", "analyze", "calibrate",
    "export_candidate", "load_images", "load_pruned", "open_front", "optimize", "recommend", "resume",
]  # fmt: skip


def __getattr__(name: str) -> Any:  # Any: functions and a class
    if name not in PUBLIC:
        raise AttributeError(f"module 'optimizer' has no attribute {name!r}")
    return getattr(import_module(PUBLIC[name]), name)
