"""The drop of F1 or Matthews' correlation: bounds by a score, valid for small samples and rare classes.

Tango's score for a drop of accuracy, carried over to any smooth function of how often each kind of example occurs. The
p-value of "the true drop is at least ε" compares the observed drop with ε in standard errors *under the likeliest
distribution whose drop is ε*. That distribution may hold kinds of examples that the sample lacks, the most harmful ones
first. So a sample without a single error is not taken for proof, as a bootstrap takes it, and a rare class makes the
bound wide by itself. Half a most harmful example is added to the observed drop, as Tango's correction adds half a lost
example. For accuracy the p-value is `paired_drop_p_value`, but for rounding. `benchmarks/truth.py` simulates its size.

References: Tango 1998; Owen 1988, https://doi.org/10.1093/biomet/75.2.237, for the likeliest distribution.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from objectives.measurement import Interval
from objectives.metrics.metric import Array, FloatArray, Metric
from objectives.statistics.bounded import MeanDrop

_STEP = 1e-6  # of a share, for slopes
_STEPS = 24  # of the linearised constraint; the drop is smooth, so few are needed
_HALVINGS = 36
_GRID, _RESOLUTION = 32, 1e-4
LARGEST = 2.0  # drop of a correlation
MOST_CLASSES = 10
SCORED = ("f1", "matthews")
_CORRECTION = 0.5  # examples, as in `paired`


@dataclass(frozen=True, eq=False)
class Kinds:
    """The kinds of examples that can occur: what they are labelled, and what the two models answer, each `(k, …)`."""

    metric: Metric
    labels: Array
    dense: Array
    candidate: Array

    def drop(self, weights: FloatArray) -> FloatArray:
        """Return the drop `(r,)` under weights `(r, k)`."""
        dense = self.metric.values(self.dense, self.labels, weights)
        return dense - self.metric.values(self.candidate, self.labels, weights)

    def influence(self, shares: FloatArray) -> FloatArray:
        """Return how the drop grows with each kind's share `(r, k)`; its mean under the shares is 0."""
        slopes = self._slopes(*self._cells[0], shares) - self._slopes(*self._cells[1], shares)
        return np.asarray(slopes - (shares * slopes).sum(axis=1, keepdims=True))

    @cached_property
    def _cells(self) -> list[tuple[Array, Array]]:
        """Per model, its cells `(2, m)` of answer and label, and each kind's cell `(k,)`: kinds of a cell are alike."""
        pairs = ([answers, self.labels] for answers in (self.dense, self.candidate))
        return [np.unique(pair, axis=1, return_inverse=True) for pair in pairs]

    def _slopes(self, cells: Array, cell_of: Array, shares: FloatArray) -> FloatArray:
        """Return how the metric of one model grows with each kind's share `(r, k)`."""
        of_cells = shares @ (cell_of[:, None] == np.arange(cells.shape[1])).astype(np.float64)
        more = (of_cells[:, None, :] + _STEP * np.eye(cells.shape[1])).reshape(-1, cells.shape[1])
        value, values = (self.metric.values(cells[0], cells[1], weights) for weights in (of_cells, more))
        return np.asarray((values.reshape(of_cells.shape) - value[:, None])[:, cell_of] / _STEP)

    def forgets(self, counts: FloatArray) -> NDArray[np.bool_]:
        """Whether the candidate never answers with a class with which the dense model does: `(r,)` for counts `(r, k)`.

        Then the metric is at an edge where it has no slope, and p-values are too small.
        """

        def answered(answers: Array, label: object) -> NDArray[np.bool_]:
            return np.asarray(counts[:, answers == label].sum(axis=1) > 0)

        every = [answered(self.dense, c) & ~answered(self.candidate, c) for c in np.unique([self.dense, self.labels])]
        return np.asarray(np.any(every, axis=0))

    def p_values(self, counts: FloatArray, epsilon: FloatArray) -> FloatArray:
        """Return the one-sided p-values `(r,)` of "the true drop is at least ε" for counts `(r, k)` and ε `(r,)`."""
        n = counts.sum(axis=1)
        observed = self.drop(counts)
        shares = self._likeliest(counts, epsilon)
        influence = self.influence(shares)
        deviation = np.sqrt((shares * influence**2).sum(axis=1) / n)
        worst = np.eye(counts.shape[1])[influence.argmax(axis=1)]
        distance = np.maximum(observed, self.drop(counts + _CORRECTION * worst)) - epsilon
        z = np.divide(distance, deviation, out=np.copysign(np.inf, distance), where=deviation > 0)
        is_breakable = self.drop(counts + worst) > epsilon  # a single example of that kind
        seen = [counts[:, self.labels == label].sum(axis=1) > 0 for label in np.unique(self.labels)]
        is_breakable |= np.sum(seen, axis=0) < 2  # of one class alone nothing can be told
        return np.asarray(np.where(is_breakable | (distance >= 0), np.maximum(ndtr(z), 0.5), ndtr(z)))

    def _likeliest(self, counts: FloatArray, epsilon: FloatArray) -> FloatArray:
        """Return the likeliest shares `(r, k)` under which the drop is ε."""
        shares = (counts + 1e-9) / (counts + 1e-9).sum(axis=1, keepdims=True)
        for _ in range(_STEPS):
            missing = (epsilon - self.drop(shares))[:, None]
            shares = (shares + _tilted(counts, self.influence(shares) - missing)) / 2
        return np.asarray(shares)


@dataclass(frozen=True, slots=True, eq=False)
class DropScore:
    """The drop of a metric of classes on `counts` `(kinds,)` of examples, with one-sided bounds and p-values."""

    kinds: Kinds
    counts: FloatArray

    def interval(self, level: float = 0.95) -> Interval:
        """Return the two-sided interval; a loss of one model is the other's gain."""
        one_sided = (1 + level) / 2
        swapped = Kinds(self.kinds.metric, self.kinds.labels, self.kinds.candidate, self.kinds.dense)
        lower = -DropScore(swapped, self.counts).upper_at(one_sided)
        return Interval(lower=lower, upper=self.upper_at(one_sided), level=level)

    @property
    def is_certifiable(self) -> bool:
        """Whether the bounds may certify."""
        return not self.kinds.forgets(self.counts[None, :])[0]

    def p_value(self, epsilon: float) -> float:
        """Return the one-sided p-value of "the true drop is at least `epsilon`"."""
        return float(self._p_values(np.array([epsilon]))[0])

    def upper_at(self, level: float) -> float:
        """Return the one-sided upper bound of the drop at `level`, rounded up by at most 1e-4."""
        lowest, highest = float(self.kinds.drop(self.counts[None, :])[0]), LARGEST
        while highest - lowest > _RESOLUTION:
            grid = np.linspace(lowest, highest, _GRID)[1:-1]
            within = np.flatnonzero(self._p_values(grid) <= 1 - level)
            place = int(within[0]) if len(within) else len(grid)
            highest = float(grid[place]) if len(within) else highest
            lowest = float(grid[place - 1]) if place else lowest
        return highest

    def _p_values(self, epsilon: FloatArray) -> FloatArray:
        return self.kinds.p_values(np.repeat(self.counts[None, :], len(epsilon), axis=0), epsilon)


def score_drop(metric: Metric, labels: Array, dense: Array, candidate: Array) -> DropScore | MeanDrop | None:
    """Return the score of the drop from `dense` to `candidate` answers `(n, …)`; None without a valid bound.

    There is one for F1 and Matthews' correlation of 2 to `MOST_CLASSES` classes, and for means of shares.
    """
    if metric.is_share and metric.score is not None:
        return MeanDrop(metric.score(dense, labels) - metric.score(candidate, labels))
    if metric.name not in SCORED:
        return None
    classes = np.unique([labels, dense, candidate])
    if not 2 <= len(classes) <= MOST_CLASSES:
        return None
    seen = np.stack([labels, dense, candidate], axis=1)
    lost = [(label, label, other) for label in classes for other in classes if label != other]
    gained = [(label, other, label) for label, _, other in lost]
    rows, counts = np.unique(np.concatenate([seen, lost, gained]), axis=0, return_counts=True)
    is_added = (rows == rows[:, :1]).sum(axis=1) == 2  # one of the two models is right
    labels, dense, candidate = rows.T
    return DropScore(Kinds(metric, labels, dense, candidate), (counts - is_added).astype(np.float64))


def _tilted(counts: FloatArray, pull: FloatArray) -> FloatArray:
    """Return the likeliest shares `(r, k)` whose mean `pull` is 0, given counts whose mean pull is below 0.

    The shares are counts / (n + λ pull) with λ < 0. Where even the least λ leaves the mean below 0, the kind with the
    greatest pull gets the rest, seen or not.
    """
    seen = counts / counts.sum(axis=1, keepdims=True)
    pull = pull / np.maximum(pull.max(axis=1, keepdims=True), 1e-12)
    pulling, low, step = seen * pull, np.zeros((len(pull), 1)), 1.0
    for _ in range(_HALVINGS):
        step /= 2
        is_below = (pulling / (1 - (low + step) * pull)).sum(axis=1, keepdims=True) < 0
        low = low + step * is_below
    shares = seen / (1 - low * pull)
    rest = np.maximum(1 - shares.sum(axis=1), 0)
    shares[np.arange(len(shares)), pull.argmax(axis=1)] += rest
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
