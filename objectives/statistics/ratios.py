"""The ratio of two costs timed in the same rounds: medians, and an interval that draws whole rounds anew."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from objectives.measurement import Interval


def ratio_interval(
    numerator_samples: ArrayLike,
    denominator_samples: ArrayLike,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 2000,
) -> tuple[float, Interval]:
    """Return the ratio of the medians and its percentile bootstrap interval.

    Args:
        numerator_samples: `(k,)` positive samples; index i was taken in round i.
        denominator_samples: `(k,)`, from the same rounds: drift that both saw cancels.
        rng: draws the rounds.
        level: of the two-sided interval.
        resamples: bootstrap resamples.

    Raises:
        ValueError: the lengths differ, there are no samples, or one is not positive.

    Reference: Efron & Tibshirani 1993, An Introduction to the Bootstrap, section 13.3.
    """
    pairs = np.stack([_checked(numerator_samples), _checked(denominator_samples)])  # raises when the lengths differ
    rounds = pairs.shape[1]
    drawn = np.median(pairs[:, rng.integers(rounds, size=(resamples, rounds))], axis=2)
    lower, upper = np.quantile(drawn[0] / drawn[1], [(1 - level) / 2, (1 + level) / 2])
    numerator, denominator = np.median(pairs, axis=1)
    return float(numerator / denominator), Interval(lower=float(lower), upper=float(upper), level=level)


def _checked(samples: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not np.all((values > 0) & np.isfinite(values)):
        raise ValueError(f"samples must be `(k,)`, k >= 1, positive and finite, got shape {values.shape}")
    return values
