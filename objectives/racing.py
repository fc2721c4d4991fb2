"""Racing: stop evaluating a candidate as soon as its drop cannot, or almost surely does not, come back under ε.

All candidates of a study meet the same examples in the same random order, chunk by chunk, beside the dense model's
scores. After each chunk two questions are asked. By counting: would the drop stay above ε even if every example left
that the dense model gets wrong were gained? By betting: a gambler who bets, example by example, that the rest loses
more than "the whole drop is within ε" allows, holds a wealth that is a nonnegative supermartingale while that claim is
true; by Ville's inequality it ever reaches 1/error with probability at most `error`, however often one looks. The
examples are finitely many and drawn without replacement, so what is left allows less with every loss, and the bets
sharpen.

References: Waudby-Smith & Ramdas 2020, Confidence sequences for sampling without replacement,
https://arxiv.org/abs/2006.04347; Ville 1939.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from objectives.statistics.exact import allowed_losses

CHUNK = 128  # examples
STAKES = np.linspace(0.05, 0.95, 19)  # the gambler's capital is split evenly over these bets
_LARGEST_STAKE = 0.99  # of the stake that could lose everything at once


def race_order(
    n: int,
    lengths: Sequence[int] | NDArray[np.integer[Any]],
    *,
    seed: int,
    chunk: int = CHUNK,
    labels: ArrayLike | None = None,
) -> list[NDArray[np.intp]]:
    """Return the one random order of a study's examples as index arrays of at most `chunk`, nearly equal in size.

    Args:
        n: examples.
        lengths: `(n,)` tokens; inside a chunk examples are sorted by length, which avoids most of the padding.
        seed: draws the order.
        chunk: the most examples between two looks.
        labels: `(n,)`; given, every chunk holds each label in its share of the whole, to about one example.

    Raises:
        ValueError: `lengths` or `labels` are not `(n,)`, or `n` or `chunk` is below 1.
    """
    strata = np.zeros(n) if labels is None else np.asarray(labels)
    tokens = np.asarray(lengths)
    if n < 1 or chunk < 1 or tokens.shape != (n,) or strata.shape != (n,):
        raise ValueError(
            f"racing needs n >= 1, chunk >= 1 and `(n,)` lengths and labels, "
            f"got {n=}, {chunk=}, {tokens.shape}, {strata.shape}"
        )
    chunks = _dealt(strata, hands=math.ceil(n / chunk), rng=np.random.default_rng(seed))
    return [part[np.argsort(tokens[part], kind="stable")] for part in chunks]


def _dealt(strata: NDArray[Any], *, hands: int, rng: np.random.Generator) -> list[NDArray[np.intp]]:
    """Deal the examples like cards sorted by stratum: each round gives every hand one, in a fresh random order.

    So every example falls to every hand with equal chance, and every stratum to all hands alike.
    """
    n = len(strata)
    shuffled = rng.permutation(n)
    cards = shuffled[np.argsort(strata[shuffled], kind="stable")]
    rounds = np.tile(np.arange(hands), (math.ceil(n / hands), 1))
    owner = rng.permuted(rounds, axis=1).ravel()[:n]
    return [cards[owner == hand] for hand in range(hands)]


class Race:
    """One candidate's race over `n` examples whose scores are 0 or 1.

    Feed `update` chunk by chunk in the study's order until `is_stopped` or all are seen. `seen`, `lost` and `gained`
    count examples, the latter two against the dense model. A candidate whose drop over all examples is within `epsilon`
    is never stopped by counting, and by betting with probability at most `error` over the draw of a uniformly random
    order; stratified orders vary less and stayed below that in every simulation.

    Args:
        n: examples.
        epsilon: tolerated drop.
        error: chance of stopping a candidate whose drop is within `epsilon`.
        gainable: how many of the examples the dense model gets wrong; None takes any for possible.
    """

    def __init__(self, n: int, epsilon: float, *, error: float = 0.01, gainable: int | None = None) -> None:
        if n < 1 or not epsilon >= 0 or not 0 < error < 1:
            raise ValueError(f"a race needs n >= 1, epsilon >= 0 and error in (0, 1), got {n=}, {epsilon=}, {error=}")
        self.seen = self.lost = self.gained = 0
        self.reason: str | None = None  # why it was stopped
        self._n, self._epsilon, self._error = n, epsilon, error
        self._allowed = allowed_losses(n, epsilon)
        self._gainable = n if gainable is None else gainable  # of the examples not seen yet
        self._log_wealth: NDArray[np.float64] = np.zeros(len(STAKES))
        self._shuffle = np.random.default_rng(0)

    @property
    def is_stopped(self) -> bool:
        """Whether to spare the rest. Never true once all examples are seen: then the drop is known."""
        return self.reason is not None

    @property
    def drop(self) -> float:
        """The observed drop over the examples seen, a fraction. Raises `ValueError` before the first."""
        if not self.seen:
            raise ValueError("no example of this race was seen yet; call `update` first")
        return (self.lost - self.gained) / self.seen

    def update(self, baseline_scores: ArrayLike, candidate_scores: ArrayLike) -> bool:
        """Take in one chunk of paired scores `(k,)`, each 0 or 1; return whether the race is stopped."""
        baseline, candidate = np.asarray(baseline_scores), np.asarray(candidate_scores)
        self._check(baseline, candidate)
        losses = baseline.astype(np.int64) - candidate.astype(np.int64)
        log_wealth = self._bet(self._shuffle.permutation(losses))  # a chunk is sorted by length, not at random
        self.seen += len(losses)
        self.lost += int((losses > 0).sum())
        self.gained += int((losses < 0).sum())
        self._gainable -= int((baseline == 0).sum())
        if self.reason is None and self.seen < self._n:
            self.reason = self._verdict(log_wealth)
        return self.is_stopped

    def _verdict(self, log_wealth: float) -> str | None:
        left = self._n - self.seen
        if self.lost - self.gained - min(left, self._gainable) > self._allowed:
            return f"drop above {self._epsilon:g} whichever way the remaining {left} examples turn out"
        if log_wealth >= -math.log(self._error):
            return f"drop above {self._epsilon:g} after {self.seen} examples, with an error of at most {self._error:g}"
        return None

    def _bet(self, losses: NDArray[np.int64]) -> float:
        """Bet on the chunk's losses `(k,)` in random order; return the log of the greatest wealth held on the way."""
        before = self.lost - self.gained + np.cumsum(losses) - losses
        left = self._n - self.seen - np.arange(len(losses))
        mean = ((self._allowed - before) / left)[:, None]  # the greatest mean of what is left, were the drop within ε
        stakes = np.minimum(STAKES, _LARGEST_STAKE / np.maximum(1 + mean, _LARGEST_STAKE))
        path = self._log_wealth + np.cumsum(np.log1p(stakes * (losses[:, None] - mean)), axis=0)
        self._log_wealth = path[-1]
        return float(np.logaddexp.reduce(path, axis=1).max()) - math.log(len(STAKES))

    def _check(self, baseline: NDArray[Any], candidate: NDArray[Any]) -> None:
        scores = np.concatenate([baseline, candidate])
        if baseline.shape != candidate.shape or not np.isin(scores, (0, 1)).all():
            raise ValueError("a race takes paired scores `(k,)`, each 0 or 1")
        if not len(baseline) or self.seen + len(baseline) > self._n:
            raise ValueError(f"a race over {self._n} examples cannot take {len(baseline)} more after {self.seen}")
