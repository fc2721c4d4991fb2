"""The drop of a metric that counts right answers, from labels bought only where two models disagree.

Texts are drawn at random from those that the models will see, and stand in an order fixed beforehand. Where both models
answer alike, a text neither loses nor gains, whatever its label; so its label is not needed, yet the text counts. A
gambler bets text by text that fewer are lost than "the drop is at least ε" allows. While that claim is true the wealth
is a nonnegative supermartingale, so it ever reaches 1/α with probability at most α (Ville), however often one looks and
whatever decides when to stop. What is not labelled counts as lost, which never raises the wealth at any text: labels
may come in any order, and be skipped.

Some texts are labelled twice. Where a share r of these answers differ, and mistakes are as frequent on texts that are
lost as on those that are gained, they shrink the drop at most to 1 − 2r of its size: so the bets are against
(1 − 2r) ε, and in the same wealth that r is smaller. r itself is unknown, and the wealth that counts is the least over
all r. So few checks cost as much as they must, and many agreeing ones nothing. A part of the capital counts every
disagreement as lost, needs no label, and alone certifies members that hardly disagree.

References: Ville 1939; Waudby-Smith & Ramdas 2024, Estimating means of bounded random variables by betting,
https://doi.org/10.1093/jrsssb/qkad009. The joint bet on the labels' errors is ours; `benchmarks/truth.py` simulates it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

LOST, EQUAL, GAINED = 1, 0, -1
UNCHECKED, SAME, DIFFERENT = 0, 1, 2
AGREED = 9  # the kind of a text on which both models agree; the others are those of `kind_of`
STAKES = (0.0125, 0.025, 0.05, 0.1, 0.2, 0.4)  # on the drop, per text
CHECK_STAKES = (0.0, 0.3, 0.8)  # of what is left, on the labels' errors
RATES = np.linspace(0, 1, 25) ** 2 / 2  # of labels that differ; between two of them both ends count against
_BLIND = 0.1  # of the capital is bet as if every disagreement were lost: no error of a label can touch it
_RESOLUTION = 1e-4  # of an upper bound

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Kind = TypeVar("Kind", int, Ints)


@dataclass(frozen=True, slots=True, eq=False)
class Disagreements:
    """The texts on which two models disagree among `n`, in the order fixed beforehand.

    `places` `(k,)` in [0, n), ascending. `outcomes` `(k,)`: `LOST` where only the dense model is right or the label is
    missing, `GAINED` where only the candidate is, `EQUAL` where neither is. `checks` `(k,)`: `SAME` or `DIFFERENT`
    where a second label was to be given (missing: `DIFFERENT`), else `UNCHECKED`.
    """

    n: int
    places: Ints
    outcomes: Ints
    checks: Ints

    def __post_init__(self) -> None:
        if not len(self.places) == len(self.outcomes) == len(self.checks) <= self.n:
            raise ValueError(f"at most n={self.n} places, as many outcomes and checks, got {len(self.places)}")

    @property
    def counts(self) -> Floats:
        """How many texts of each kind came before every disagreement, and before the end: `(k + 1, 10)`."""
        kinds = np.zeros((len(self.places) + 1, 10))
        kinds[np.arange(1, len(self.places) + 1), kind_of(self.outcomes, self.checks)] = 1
        counts = kinds.cumsum(axis=0)
        counts[:, AGREED] += np.append(self.places, self.n) - np.arange(len(self.places) + 1)
        return counts


def kind_of(outcome: Kind, check: Kind) -> Kind:
    """Return the column of `Disagreements.counts` for an outcome and a check, or for arrays of them."""
    return 3 * (outcome + 1) + check


def log_wealth(found: Disagreements, epsilon: float) -> Floats:
    """Return the logarithm of the wealth before every disagreement and at the end, `(k + 1,)`; 0 at the beginning."""
    return log_wealth_after(found.counts, epsilon)


def log_wealth_after(counts: Floats, epsilon: float) -> Floats:
    """Return the logarithm of the wealth `(t,)` after texts of each kind, `(t, 10)` as `Disagreements.counts`."""
    least = _mean(counts @ _log_factors(epsilon)).min(axis=0)
    disagreed = counts[:, :AGREED].sum(axis=1)
    all_lost = np.stack([disagreed, counts[:, AGREED]], axis=1) @ np.log1p(np.outer([epsilon - 1, epsilon], STAKES))
    return np.asarray(np.logaddexp(least + math.log(1 - _BLIND), _mean(all_lost) + math.log(_BLIND)))


def certifies(found: Disagreements, epsilon: float, alpha: float) -> bool:
    """Whether the drop is within `epsilon`; wrong with probability at most `alpha`, however often it is asked."""
    return bool(log_wealth(found, epsilon).max() >= -math.log(alpha))


def bought_upper(found: Disagreements, alpha: float) -> float:
    """Return the upper bound of the drop at level `1 − alpha`, rounded up by at most 1e-4; 1 where nothing is known."""
    low, high = -1.0, 1.0
    while high - low > _RESOLUTION:
        middle = (low + high) / 2
        low, high = (low, middle) if certifies(found, middle, alpha) else (middle, high)
    return high


def _log_factors(epsilon: float) -> Floats:
    """Return the logarithm of what each kind of text multiplies the wealth of each bet by: `(rates, 10, bets)`."""
    drop, check = (each.ravel() for each in np.meshgrid(STAKES, CHECK_STAKES))
    check = check * (1 - drop * (1 - min(epsilon, 0.0)))
    low, high = (each[:, None, None] for each in (RATES[:-1], RATES[1:]))
    outcomes = np.array([GAINED] * 3 + [EQUAL] * 3 + [LOST] * 3 + [EQUAL])[:, None]
    same, different = (
        np.array([check == kind for check in range(3)] * 3 + [False])[:, None] for kind in (SAME, DIFFERENT)
    )
    checks = same * low + different * (low - 1)
    shrunk = np.minimum((1 - 2 * high) * epsilon, epsilon)  # a gain may be shrunk as well, or not at all
    return np.asarray(np.log1p(drop * (shrunk - outcomes) + check * checks))


def _mean(logs: Floats) -> Floats:
    """Return the logarithm of the mean over bets, the last axis."""
    top = logs.max(axis=-1)
    return np.asarray(top + np.log(np.exp(logs - top[..., None]).mean(axis=-1)))
