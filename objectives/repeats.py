"""What repeated measurements say: a centre with its interval, and a ratio to the dense model taken pair by pair.

Round i of every model ran within the same moments, so the ratio of round i cancels drift that both saw; the interval is
over those ratios. A ratio is of two models, though only one copy of each was timed: copies of one model differ a little
by where their weights lie in memory, and the interval says so.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from math import exp, hypot, log, sqrt
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, ndtri, stdtrit

from objectives.measurement import Interval, Measurement, Source
from objectives.statistics.signed_rank import fewest_values, signed_rank_centre

Key = TypeVar("Key", bound=Hashable)
Summary = Callable[[ArrayLike], tuple[float, Interval | None]]
LEVEL = 0.95
METERED = (Source.NVML, Source.NVML_POWER, Source.RAPL, Source.ZEUS)
COPIES = "copies_differ"  # the condition: standard deviation of a ratio, as a fraction, between copies of its models
DRAWS = "draws"  # the condition of samples that are draws of a model's constants: so many


class Compared(NamedTuple):
    """A cost of one model, and its ratio to the dense model's (below 1 is cheaper)."""

    absolute: Measurement
    ratio: Measurement


def median_with_interval(samples: ArrayLike) -> tuple[float, Interval | None]:
    """Return the median of `(n,)` samples and its distribution-free 95 % interval, None for a single sample.

    The interval runs between order statistics, counted by the binomial distribution (David & Nagaraja, Order
    Statistics, 3rd ed., 7.1). Below six samples it is their whole range, at the level that range truly has.
    """
    ordered = np.sort(np.asarray(samples, dtype=float))
    n = len(ordered)
    if n < 2:
        return float(ordered[0]), None
    rank = _rank(n)
    coverage = 1 - 2 * float(bdtr(rank - 1, n, 0.5))
    interval = Interval(lower=float(ordered[rank - 1]), upper=float(ordered[n - rank]), level=min(coverage, LEVEL))
    return float(np.median(ordered)), interval


def _rank(n: int) -> int:
    """Return the largest rank r with P(fewer than r of n samples lie below the median) <= 2.5 %, at least 1."""
    fits = [rank for rank in range(1, n // 2 + 1) if bdtr(rank - 1, n, 0.5) <= (1 - LEVEL) / 2]
    return max(fits, default=1)


def mean_with_interval(samples: ArrayLike, *, level: float = LEVEL) -> tuple[float, Interval | None]:
    """Return the mean of `(n,)` samples and its two-sided Student interval, None for a single sample."""
    values = np.asarray(samples, dtype=float)
    mean, n = float(values.mean()), len(values)
    if n < 2:
        return mean, None
    half = student_half_width(float(values.std(ddof=1)), n, level=level)
    return mean, Interval(lower=mean - half, upper=mean + half, level=level)


def student_half_width(deviation: float, n: int, *, level: float = LEVEL) -> float:
    """Return half the two-sided Student interval of a mean of n samples with this standard deviation."""
    return float(stdtrit(n - 1, (1 + level) / 2)) * deviation / sqrt(n)


def ratio_with_interval(
    ratios: ArrayLike, *, level: float = LEVEL, copies: float = 0.0
) -> tuple[float, Interval | None]:
    """Return the centre of per-round ratios `(n,)`, all positive, with its interval, None for a single round.

    `copies`, as a fraction, is the standard deviation of the ratio between copies of the same two models.
    """
    logs = np.log(np.asarray(ratios, dtype=float))
    if len(logs) < 2:
        return float(np.exp(logs[0])), None
    centre, lower, upper, truly = signed_rank_centre(logs, level)
    apart = -float(ndtri((1 - level) / 2)) * copies
    lower, upper = centre - hypot(centre - lower, apart), centre + hypot(upper - centre, apart)
    return exp(centre), Interval(lower=exp(lower), upper=exp(upper), level=truly)


def mean_ratio_with_interval(ratios: ArrayLike, *, level: float = LEVEL) -> tuple[float, Interval | None]:
    """Return the geometric mean of per-round ratios `(n,)`, all positive, with Student's interval.

    It suits windows of a meter: they are few, and each sums up so many passes that it scatters normally.
    """
    mean, interval = mean_with_interval(np.log(np.asarray(ratios, dtype=float)), level=level)
    if interval is None:
        return exp(mean), None
    return exp(mean), Interval(lower=exp(interval.lower), upper=exp(interval.upper), level=level)


def drawn_ratio_with_interval(
    ratios: ArrayLike, *, value: float, level: float = LEVEL
) -> tuple[float, Interval | None]:
    """Return a modelled `value`, and its interval from `(n,)` ratios of two costs that one draw each has modelled."""
    return value, None if np.size(ratios) < 2 else drawn_interval(value, ratios, level=level)


def drawn_interval(value: float, samples: ArrayLike, *, level: float = LEVEL) -> Interval:
    """Return the interval of a modelled value that holds this share of `(n,)` draws of all that is not known."""
    lower, upper = np.quantile(np.asarray(samples, dtype=float), [(1 - level) / 2, (1 + level) / 2])
    return Interval(lower=min(value, float(lower)), upper=max(value, float(upper)), level=level)


def half_width(interval: Interval) -> float:
    """Return half the width of a ratio's interval, as a fraction of the ratio."""
    return log(interval.upper / interval.lower) / 2


def is_gain(ratio: Measurement, *, comparisons: int) -> bool:
    """Whether a ratio is below 1 with 95 % confidence in this and all other of so many `comparisons` (Bonferroni)."""
    if not ratio.samples:
        return ratio.value < 1
    level = 1 - (1 - LEVEL) / comparisons
    _, interval = _summary(ratio, ratio.value, level)(ratio.samples)
    return interval is not None and interval.level >= level and interval.upper < 1


def rounds_to_tell(comparisons: int) -> int:
    """Return how many rounds a gain takes at least, among so many comparisons."""
    return fewest_values(1 - (1 - LEVEL) / max(comparisons, 1))


def copies_of(measurement: Measurement) -> float:
    """Return by how much copies of its model differ: the condition `COPIES`, 0 where it has none."""
    return float(str(measurement.conditions.get(COPIES, 0.0)))


def compared(costs: Mapping[Key, Measurement], *, dense: Key) -> dict[Key, Compared]:
    """Put every cost beside its ratio to that of `dense`.

    Args:
        costs: measurements of one session; samples of round i have index i in all of them.
        dense: the key of the dense model. Its own ratio is exactly 1.

    Raises:
        ValueError: the sample counts differ, or the dense model's cost is not positive.
    """
    return {key: Compared(cost, _ratio(cost, costs[dense], is_dense=key == dense)) for key, cost in costs.items()}


def _summary(cost: Measurement, value: float, level: float = LEVEL) -> Summary:
    """Return how per-round ratios of a cost become one value and an interval; `value` is the ratio of the values."""
    if cost.source in METERED:
        return partial(mean_ratio_with_interval, level=level)
    if DRAWS in cost.conditions:
        return partial(drawn_ratio_with_interval, value=value, level=level)
    return partial(ratio_with_interval, level=level, copies=copies_of(cost))


def dense_in_same_rounds(cost: Measurement, ratio: Measurement) -> float:
    """Return what the dense model cost in the very rounds of `cost`, in its unit.

    The stored ratios are round by round, so they give the dense model's samples back. These are summed up as the
    cost was: by the mean for windows of an energy counter, by the median otherwise. Draws are no rounds: they say how
    little a model knows, and its values stand beside them.
    """
    if not ratio.samples or DRAWS in cost.conditions:
        return cost.value / ratio.value
    dense = np.asarray(cost.samples) / np.asarray(ratio.samples)
    return float(np.mean(dense) if cost.source in METERED else np.median(dense))


def _ratio(cost: Measurement, dense: Measurement, *, is_dense: bool) -> Measurement:
    ratios = _pairwise(cost.samples or (cost.value,), dense.samples or (dense.value,), quantity=cost.quantity)
    summary = median_with_interval if is_dense else _summary(cost, cost.value / dense.value)
    value, interval = summary(ratios)
    return Measurement(
        quantity=f"{cost.quantity}_ratio",
        value=value,
        unit="ratio",
        source=cost.source,
        n=cost.n,
        interval=interval,
        conditions=cost.conditions,
        samples=tuple(ratios) if cost.samples else (),
    )


def _pairwise(cost: Sequence[float], dense: Sequence[float], *, quantity: str) -> list[float]:
    if len(cost) != len(dense):
        raise ValueError(f"{quantity}: a ratio needs paired samples, got {len(cost)} and {len(dense)}")
    if min(dense) <= 0:
        raise ValueError(f"{quantity}: the dense model's cost must be positive, got {min(dense)}")
    return [float(one / other) for one, other in zip(cost, dense, strict=True)]
