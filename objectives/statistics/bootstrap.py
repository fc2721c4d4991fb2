"""The drop of a metric that is not a mean over examples (F1, Matthews, correlations): a paired BCa bootstrap.

Examples alike in (label, dense answer, candidate's answer) are one row with a count, and a resample is a multinomial
draw of counts that both models share. So 2,000 resamples are a few matrix products, for any number of examples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from objectives.measurement import Interval
from objectives.metrics import Kind, Metric
from objectives.metrics.metric import Array, FloatArray, mean_of

_BLOCK = 2**20  # weights evaluated together: 8 MiB
_MEAN = Metric(name="mean", kind=Kind.REGRESSION, weighted=mean_of(lambda scores, _: scores))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DropBootstrap:
    """A drop with its bootstrap distribution, corrected for bias and acceleration (BCa).

    Bound and p-value invert each other within the resampled range: `p_value(ε) <= 1 − level` exactly when
    `upper_at(level) <= ε`. Where both models answer every example alike, value, interval and bound are 0: a bootstrap
    cannot doubt what it never saw. It is nominal in the limit only, so it certifies nothing: `benchmarks/truth.py`
    prints how often it would be wrong.

    References: Efron 1987, https://doi.org/10.1080/01621459.1987.10478410; equations are numbered as in Efron &
    Tibshirani 1993, An Introduction to the Bootstrap, chapter 14.
    """

    value: float
    resampled: FloatArray  # `(resamples,)` drops, sorted
    bias: float  # z₀
    acceleration: float  # a

    @property
    def interval(self) -> Interval:
        """The two-sided 95 % interval."""
        return self.interval_at(0.95)

    @property
    def upper(self) -> float:
        """The one-sided 95 % upper bound."""
        return self.upper_at(0.95)

    def interval_at(self, level: float) -> Interval:
        """Return the two-sided interval at `level`."""
        tail = (1 - level) / 2
        return Interval(lower=self.upper_at(tail), upper=self.upper_at(1 - tail), level=level)

    def upper_at(self, level: float) -> float:
        """Return the upper bound of the true drop at confidence `level`."""
        shifted = self.bias + float(ndtri(level))
        share = float(ndtr(self.bias + shifted / _positive(1 - self.acceleration * shifted)))  # eq. 14.10
        rank = int(np.ceil(share * (len(self.resampled) + 1)))
        return float(self.resampled[min(max(rank, 1), len(self.resampled)) - 1])

    def p_value(self, epsilon: float) -> float:
        """Return the one-sided p-value of "the true drop is at least `epsilon`", never below one resample's worth."""
        total = len(self.resampled) + 1
        within = int(np.searchsorted(self.resampled, epsilon, side="right"))
        if not within:
            return 1.0
        distance = float(ndtri(within / total)) - self.bias
        confidence = float(ndtr(distance / _positive(1 + self.acceleration * distance) - self.bias))
        return max(1 - confidence, 1 / total)


def bootstrap_drop(
    metric: Metric,
    dense_predictions: Array,
    candidate_predictions: Array,
    labels: Array,
    *,
    seed: int,
    resamples: int | None = None,
) -> DropBootstrap:
    """Bootstrap the drop of `metric` from the dense model's to the candidate's predictions.

    Args:
        metric: any metric of the project.
        dense_predictions: `(n, …)`.
        candidate_predictions: `(n, …)`, on the same examples.
        labels: `(n, …)`.
        seed: the same seed draws the same resamples.
        resamples: how many; the metric's own number by default.
    """
    drops = _Drops(metric, dense_predictions, candidate_predictions, labels)
    value = float(drops.of(drops.counts[None, :])[0])
    resampled = np.sort(drops.resampled(resamples or metric.resamples, np.random.default_rng(seed)))
    return DropBootstrap(
        value=value, resampled=resampled, bias=_bias(resampled, value), acceleration=_acceleration(drops)
    )


class _Drops:
    """The drop as a function of how often each distinct example counts."""

    def __init__(self, metric: Metric, dense: Array, candidate: Array, labels: Array) -> None:
        if metric.score is not None:  # of a mean the scores say all
            dense, candidate = metric.score(dense, labels), metric.score(candidate, labels)
            metric, labels = _MEAN, np.ones(len(labels))
        places, self.counts = _distinct(labels, dense, candidate)
        self._metric, self._labels = metric, labels[places]
        self._dense, self._candidate = dense[places], candidate[places]

    def of(self, weights: FloatArray) -> FloatArray:
        """Return the drop `(r,)` under each row of weights `(r, distinct)`."""
        dense = self._metric.values(self._dense, self._labels, weights)
        return dense - self._metric.values(self._candidate, self._labels, weights)

    def resampled(self, resamples: int, rng: np.random.Generator) -> FloatArray:
        """Return the drops of resampled examples, `(resamples,)` or fewer: without those on which it is undefined."""
        n, shares = int(self.counts.sum()), self.counts / self.counts.sum()
        blocks = _blocks(resamples, len(shares))
        drops = np.concatenate([self.of(rng.multinomial(n, shares, len(block)).astype(float)) for block in blocks])
        is_defined = np.isfinite(drops)
        return drops[is_defined] if is_defined.any() else self.of(self.counts[None, :])

    def without_each(self) -> FloatArray:
        """Return the drops `(distinct,)` with one example of each kind left out."""
        kinds = len(self.counts)
        return np.concatenate([self.of(self.counts - np.eye(kinds)[block]) for block in _blocks(kinds, kinds)])


def _distinct(*parts: Array) -> tuple[NDArray[np.intp], FloatArray]:
    """Return where each distinct example first occurs, and how often it does: `(distinct,)`. Texts count one by one."""
    n = len(parts[0])
    if any(part.dtype == object for part in parts):
        return np.arange(n), np.ones(n)
    examples = np.concatenate([part.reshape(n, -1) for part in parts], axis=1).astype(np.float64)
    _, places, counts = np.unique(examples, axis=0, return_index=True, return_counts=True)
    return places, counts.astype(np.float64)


def _blocks(rows: int, columns: int) -> list[NDArray[np.intp]]:
    return np.array_split(np.arange(rows), -(-rows * columns // _BLOCK))


def _bias(resampled: FloatArray, value: float) -> float:
    """Return z₀ (eq. 14.14), ties counted half, kept finite where the value is outside its own resamples."""
    below = (np.searchsorted(resampled, value, side="left") + np.searchsorted(resampled, value, side="right")) / 2
    total = len(resampled) + 1
    return float(ndtri(np.clip(below / (total - 1), 1 / total, 1 - 1 / total)))


def _acceleration(drops: _Drops) -> float:
    """Return a from the jackknife (eq. 14.15), 0 where it never changes."""
    if drops.counts.sum() < 2:
        return 0.0
    left_out = drops.without_each()
    left_out = np.where(np.isfinite(left_out), left_out, drops.of(drops.counts[None, :])[0])
    influence = np.average(left_out, weights=drops.counts) - left_out
    spread = float(drops.counts @ influence**2)
    return float(drops.counts @ influence**3) / (6 * spread**1.5) if spread > 0 else 0.0


def _positive(denominator: float) -> float:
    """Return the denominator of a BCa map, kept above 0: beyond its pole the map stays at its limit."""
    return max(denominator, 1e-6)
