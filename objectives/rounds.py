"""Rounds: everything takes its turn once per round, in a fresh random order, until enough is known or the time is up.

A machine drifts: it warms up, a neighbour starts a job. What takes turns in the same rounds sees the same drift, and a
random order favours nobody. If two do the same, which of them a round finds slower is a fair coin, whatever the drift.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from objectives.repeats import Key

T = TypeVar("T")
Run = Callable[[], object]
Seconds = Callable[[], float]
Taken = Mapping[Key, Sequence[T]]

MIN_ROUNDS = 6  # the fewest whose range holds the median with 95 %
MAX_ROUNDS = 200  # enough: more samples are stored, not more precise
FIRST_LOOK = 8  # rounds: of fewer, a median's interval is as wide as its range
BETWEEN_LOOKS = 1.25  # rounds of the next look over those of the last: few looks do not mislead an interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """No further round begins that would probably end past `seconds`, after the `fewest`; at most `most` are taken."""

    seconds: float = 20.0
    fewest: int = MIN_ROUNDS
    most: int = MAX_ROUNDS
    look: int = FIRST_LOOK  # rounds after which it is first asked whether they are enough

    def __post_init__(self) -> None:
        if not 1 <= self.fewest <= self.most:
            raise ValueError(f"rounds: 1 <= fewest <= most must hold, got {self.fewest=}, {self.most=}")


def in_rounds(
    takes: Mapping[Key, Callable[[], T]],
    *,
    rng: np.random.Generator,
    pace: Pace,
    enough: Callable[[Taken[Key, T]], bool] = lambda _: False,
    clock: Seconds = time.perf_counter,
    began: float | None = None,
) -> dict[Key, list[T]]:
    """Call every `take` once per round and return what each returned; index i is round i for all of them.

    Args:
        takes: what takes turns.
        rng: draws the orders.
        pace: how many rounds, and how long.
        enough: whether what was taken so far suffices, asked after `pace.look` rounds and ever less often.
        clock: monotonic seconds.
        began: when the `seconds` began, where something went before; None for now.
    """
    keys, look = list(takes), max(pace.look, pace.fewest)
    taken: dict[Key, list[T]] = {key: [] for key in keys}
    began, round_s = clock() if began is None else began, 0.0
    for done in range(pace.most):
        round_began = clock()
        if done >= pace.fewest and round_began - began + round_s > pace.seconds:
            break
        if done == look:
            if enough(taken):
                break
            look = math.ceil(look * BETWEEN_LOOKS)
        for index in rng.permutation(len(keys)):
            taken[keys[index]].append(takes[keys[index]]())
        round_s = clock() - round_began
    return taken
