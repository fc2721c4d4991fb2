"""The schedules by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from search_spaces.schedules.evolutionary import SparseEvolutionary
from search_spaces.schedules.gradual import Gradual
from search_spaces.schedules.in_training import InTraining
from search_spaces.schedules.lottery import IterativeMagnitude
from search_spaces.schedules.post_training import PostTraining
from search_spaces.schedules.pre_training import PreTraining
from search_spaces.schedules.schedule import Schedule

ScheduleName = Literal["pre-training", "in-training", "set", "post-training", "gradual", "imp"]

SCHEDULES: Mapping[ScheduleName, Callable[[], Schedule]] = {
    "pre-training": PreTraining,
    "in-training": InTraining,
    "set": SparseEvolutionary,
    "post-training": PostTraining,
    "gradual": Gradual,
    "imp": IterativeMagnitude,
}
