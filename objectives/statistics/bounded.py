"""The drop of a mean of scores in [0, 1], such as nDCG: bounds by betting, valid for every n and any distribution.

Against "the true drop is at least ε" a gambler stakes a share of the capital on every example, which grows by
1 + stake (ε − loss). While the claim is true, no stake grows on average, so by Markov's inequality the capital reaches
1/α with probability at most α. A sample without a loss proves little by itself: each example could have lost a whole
point.

Reference: Waudby-Smith & Ramdas 2024, Estimating means of bounded random variables by betting,
https://arxiv.org/abs/2010.09686.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nextafter

import numpy as np
from scipy.special import logsumexp

from objectives.measurement import Interval
from objectives.metrics.metric import FloatArray
from objectives.statistics.power import ALPHA

STAKES = np.array([0.1, 0.2, 0.5, 0.95])  # of the stake that could lose everything at once; the capital is split evenly


@dataclass(frozen=True, slots=True, eq=False)
class MeanDrop:
    """The mean of `losses` `(n,)` in [-1, 1], each a dense model's score minus a candidate's on the same example."""

    losses: FloatArray

    def interval(self, level: float = 0.95) -> Interval:
        """Return the two-sided interval; a loss of one model is the other's gain."""
        one_sided = (1 + level) / 2
        return Interval(lower=-MeanDrop(-self.losses).upper_at(one_sided), upper=self.upper_at(one_sided), level=level)

    def p_value(self, epsilon: float) -> float:
        """Return the one-sided p-value of "the true drop is at least `epsilon`", which is below 1."""
        stakes = STAKES[:, None] / (1 - epsilon)
        capital = logsumexp(np.log1p(stakes * (epsilon - self.losses)).sum(axis=1)) - np.log(len(STAKES))
        return float(np.exp(-max(capital, 0.0)))

    def upper_at(self, level: float) -> float:
        """Return the one-sided upper bound of the drop at `level`, at most 1."""
        from scipy.optimize import brentq  # takes longer to load than the rest of a server's statistics

        greatest = nextafter(1.0, 0.0)
        if self.p_value(greatest) > 1 - level:
            return 1.0
        return float(brentq(lambda drop: self.p_value(drop) - (1 - level), float(self.losses.mean()), greatest))


def largest_certifiable_mean_drop(n: int, epsilon: float, *, alpha: float = ALPHA) -> float:
    """Return the observed drop up to which `n` examples certify a true drop within `epsilon`, if all lose alike.

    Negative where only an improvement certifies. Losses that differ between examples need a smaller drop.
    """
    return float(epsilon - (1 - epsilon) * ((len(STAKES) / alpha) ** (1 / n) - 1) / STAKES.max())
