"""The fields of a study that takes a second."""

from __future__ import annotations

from typing import Any

QUICK: dict[str, Any] = {
    "epsilon": 0.2,
    "trials": 4,
    "measure_seconds": 0.02,
    "calibration_examples": 64,
    "batch_sizes": (1,),
    "progress": False,
}
