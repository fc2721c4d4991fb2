"""Counted drops compared with ε exactly: 0.9 − 0.89 > 0.01 in floats, yet one lost of a hundred is within 1 %."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache


@lru_cache(maxsize=1024)  # asked for every candidate of a study
def allowed_losses(n: int, epsilon: float) -> int:
    """Return the greatest net number of lost examples, of `n`, that is still within `epsilon` as it is written.

    Any `epsilon` from 1 on, infinity included, allows all of them.
    """
    return math.floor(Fraction(str(min(float(epsilon), 1.0))) * n)


def within_epsilon(lost: int, gained: int, n: int, epsilon: float) -> bool:
    """Whether the observed drop `(lost − gained) / n` is at most `epsilon`, without rounding."""
    return lost - gained <= allowed_losses(n, epsilon)
