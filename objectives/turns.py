"""Turns: several passes of one model in a row, whose median counts, round by round until all ratios are known.

The first pass after another model's finds the caches full of other things, and a neighbour takes single passes away. So
a fast model makes several passes per turn, and every turn outlasts the filling of the caches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from objectives.clocks import SYSTEM, Clock, Clocks, Pass, clock_of, timed
from objectives.measurement import JsonScalar
from objectives.repeats import Key, half_width, ratio_with_interval, rounds_to_tell
from objectives.rounds import MIN_ROUNDS, Pace, Run, in_rounds

Turn = list[Pass]

WARM_UPS = 2
TURN_S = 0.01  # of one turn at least: longer than it takes to fill the caches
MOST_PASSES = 25  # of one turn
ROUNDS = 30  # before more passes fill a turn: of many short turns a ratio is known better than of few long ones
FIXED_ROUNDS = 20  # of so many passes as are asked for
WITHIN = 0.02  # half the width of a ratio's interval, as a fraction of it: then it is known
PERCENTILES = (50, 95, 99)


def interleaved_turns(
    runs: Mapping[Key, Run],
    *,
    dense: Key,
    threads: int,
    rng: np.random.Generator,
    seconds: float,
    comparisons: int = 1,
    within: float = WITHIN,
    copies: float = 0.0,
    inferences: int | None = None,
    clocks: Clocks = SYSTEM,
) -> tuple[Clock, dict[Key, list[Turn]]]:
    """Have every run take a turn of passes per round until all ratios to `dense` are known, or the time is up.

    Args:
        runs: each must have finished its work when it returns.
        dense: the key of the run that others are compared with.
        threads: on which the runs compute: processor time describes those on one thread alone.
        rng: draws the orders.
        seconds: no further round is begun that would probably end past this budget, warm-up included, but at least
            `MIN_ROUNDS` rounds are taken, and as many as it takes to tell a gain among the `comparisons`.
        comparisons: ratios that are looked at together.
        within: half the width of a ratio's interval, as a fraction, at which it is known; 0 to spend all the time.
        copies: standard deviation of a ratio between copies of its models, part of its interval.
        inferences: so many passes of every run, in `FIXED_ROUNDS` turns, instead of what `seconds` and `within` say.
        clocks: where passes are timed.

    Returns:
        The clock that describes the passes, and per key the turns by round.
    """
    began = clocks.elapsed()
    warm: dict[Key, Turn] = {key: [] for key in runs}
    for _ in range(WARM_UPS):
        for key, run in runs.items():
            warm[key].append(timed(run, clocks))
    clock = clock_of((each for passes in warm.values() for each in passes), threads=threads)
    passes = _passes(warm, clock, seconds)
    pace = Pace(seconds=seconds, fewest=max(MIN_ROUNDS, rounds_to_tell(comparisons)))
    if inferences is not None:
        passes = dict.fromkeys(runs, math.ceil(inferences / FIXED_ROUNDS))
        pace = Pace(fewest=FIXED_ROUNDS, most=FIXED_ROUNDS)
    takes = {key: partial(_turn, run, passes[key], clocks) for key, run in runs.items()}

    def known(taken: Mapping[Key, Sequence[Turn]]) -> bool:
        centres = {key: centres_of(turns, clock) for key, turns in taken.items()}
        intervals = [
            ratio_with_interval(each / centres[dense], copies=copies)[1]
            for key, each in centres.items()
            if key != dense
        ]
        return bool(intervals) and all(each is not None and half_width(each) <= within for each in intervals)

    turns = in_rounds(takes, rng=rng, pace=pace, enough=known, clock=clocks.elapsed, began=began)
    return clock, turns


def _passes(warm: Mapping[Key, Sequence[Pass]], clock: Clock, seconds: float) -> dict[Key, int]:
    """Return how many passes fill a turn of each: an odd number, so that one of them is the median.

    They are fewer where so many would not leave the time for `ROUNDS`.
    """
    shortest = {key: max(min(each.seconds(clock) for each in passes), 1e-9) for key, passes in warm.items()}
    of_a_round = sum(sum(each.elapsed for each in passes) / len(passes) for passes in warm.values())
    most = max(1, min(MOST_PASSES, int(seconds / ROUNDS / max(of_a_round, 1e-9))))
    return {key: (min(most, math.ceil(TURN_S / one)) - 1) // 2 * 2 + 1 for key, one in shortest.items()}


def _turn(run: Run, passes: int, clocks: Clocks) -> Turn:
    return [timed(run, clocks) for _ in range(passes)]


def centres_of(turns: Sequence[Turn], clock: Clock) -> NDArray[np.float64]:
    """Return the median seconds of every turn, `(rounds,)`."""
    return np.array([np.median([each.seconds(clock) for each in turn]) for turn in turns])


def spread_of(turns: Sequence[Turn]) -> dict[str, JsonScalar]:
    """Return the percentiles of the elapsed seconds of all passes, those that so many can tell, and how many."""
    elapsed = np.sort([each.elapsed for turn in turns for each in turn])
    told = [percent for percent in PERCENTILES if len(elapsed) * (100 - percent) >= 100]
    return {"passes": len(elapsed), **{f"p{each}": float(np.percentile(elapsed, each)) for each in told}}
