"""The schedules by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

from search_spaces.transforms.masks.schedules.gradual import Gradual
from search_spaces.transforms.masks.schedules.lottery import IterativeMagnitude
from search_spaces.transforms.masks.schedules.post_training import PostTraining
from search_spaces.transforms.masks.schedules.pre_training import PreTraining
from search_spaces.transforms.masks.schedules.schedule import Schedule
from search_spaces.transforms.masks.schedules.swapping import Swapping

ScheduleName = Literal["pre-training", "in-training", "set", "post-training", "gradual", "imp"]

TRAINED_FIRST: frozenset[ScheduleName] = frozenset({"post-training", "gradual"})
"""Schedules that begin with the trained dense network, as their papers do; the others begin where it began."""

SWAPPING: Mapping[ScheduleName, partial[Swapping]] = {
    "in-training": partial(Swapping, signed=False),
    "set": partial(Swapping, signed=True),
}
"""Schedules that replace a share of the kept units after each epoch."""

SCHEDULES: Mapping[ScheduleName, Callable[[], Schedule]] = {
    "pre-training": PreTraining,
    **SWAPPING,
    "post-training": PostTraining,
    "gradual": Gradual,
    "imp": IterativeMagnitude,
}


def make_schedule(name: ScheduleName, swap_share: float | None) -> Schedule:
    """Return a fresh schedule; `swap_share` goes with those that swap, where None is their published share."""
    return SCHEDULES[name]() if swap_share is None else SWAPPING[name](swap_share)
