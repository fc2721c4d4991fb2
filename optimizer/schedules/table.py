"""The schedules by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from optimizer.schedules.evolutionary import SparseEvolutionary
from optimizer.schedules.gradual import Gradual
from optimizer.schedules.in_training import InTraining
from optimizer.schedules.lottery import IterativeMagnitude
from optimizer.schedules.post_training import PostTraining
from optimizer.schedules.pre_training import PreTraining
from optimizer.schedules.schedule import Schedule

ScheduleName = Literal["pre-training", "in-training", "set", "post-training", "gradual", "imp"]

SCHEDULES: Mapping[ScheduleName, Callable[[], Schedule]] = {
    "pre-training": PreTraining,
    "in-training": InTraining,
    "set": SparseEvolutionary,
    "post-training": PostTraining,
    "gradual": Gradual,
    "imp": IterativeMagnitude,
}
