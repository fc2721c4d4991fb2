"""Subject: the dense model that a family is bound to, what it is asked, and the examples that pruning looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from optimizer.tasks.task import Task
from optimizer.tasks.texts.examples import AnyExamples


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A dense model in evaluation mode on `device`; units are ranked on `calibration`, configs compared on `search`."""

    model: Any  # Any: one transformers class per architecture, or a network of images
    weights_hash: str
    device: torch.device
    calibration: AnyExamples
    search: AnyExamples
    task: Task
