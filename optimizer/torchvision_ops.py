"""Make torchvision, and transformers which imports it, importable with a torch of another build.

PyPI's torchvision is compiled for CUDA. With a CPU build of torch its operator library cannot be loaded, and the
import fails where it describes two operators to torch. No network here calls them, so declaring both is enough.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

DESCRIBED = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@cache  # the declared operators live as long as the returned library
def admit_torchvision() -> Any:  # Any: a library, or None where none is needed
    """Declare the operators that an installed torchvision cannot load; call it before transformers is imported."""
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None or _loads(Path(spec.origin).parent):
        return None
    make: Any = torch.library.Library  # untyped
    library = make("torchvision", "FRAGMENT")
    for operator in DESCRIBED:
        library.define(operator)
    return library


def _loads(package: Path) -> bool:
    known: Any = torch.ops  # untyped
    try:
        for compiled in package.glob("_C.*"):
            known.load_library(compiled)
    except (ImportError, OSError):
        return False
    return hasattr(known.torchvision, "nms")
