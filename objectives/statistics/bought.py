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

Where all texts are labelled twice, mistakes may be as frequent as they like on lost texts alone. Only what both labels
say counts, and a text on which they differ counts as two losses. A lost text of which each label is mistaken with
probability e ≤ 1/2, independently, then counts (1 − e)² + 4e(1 − e) − e² = 1 + 2e(1 − 2e) ≥ 1 on average, one that is
gained at least −1, any other at least 0: never less than the truth, so nothing need be known of e. A text without both
labels counts as two losses as well, so that giving one never lowers the wealth.

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
AGREED = 9  # the kind of a text on which both models agree; the others below it are those of `kind_of`
TWICE, AGREED_TWICE = 10, 14  # the first kind where all texts are labelled twice, and there the one of `AGREED`
KINDS = 15
DOUBLE_LOSS = 2  # what two labels that differ count as
STAKES = (0.0125, 0.025, 0.05, 0.1, 0.2, 0.4)  # on the drop, per text
CHECK_STAKES = (0.0, 0.3, 0.8)  # of what is left, on the labels' errors
RATES = np.linspace(0, 1, 25) ** 2 / 2  # of labels that differ; between two of them both ends count against
_BLIND = 0.1  # of the capital is bet as if every disagreement were lost: no error of a label can touch it
_RESOLUTION = 1e-4  # of an upper bound
_MOST_ON_DOUBLE = 0.3  # of the capital: two losses at once must leave some at any ε

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Kind = TypeVar("Kind", int, Ints)


@dataclass(frozen=True, slots=True, eq=False)
class Disagreements:
    """The texts on which two models disagree among `n`, in the order fixed beforehand.

    `places` `(k,)` in [0, n), ascending. `outcomes` `(k,)`: `LOST` where only the dense model is right or the label is
    missing, `GAINED` where only the candidate is, `EQUAL` where neither is. `checks` `(k,)`: `SAME` or `DIFFERENT`
    where a second label was to be given (missing: `DIFFERENT`), else `UNCHECKED`. `all_twice`: every text was to have
    two labels, and only what both say counts.
    """

    n: int
    places: Ints
    outcomes: Ints
    checks: Ints
    all_twice: bool = False

    def __post_init__(self) -> None:
        if not len(self.places) == len(self.outcomes) == len(self.checks) <= self.n:
            raise ValueError(f"at most n={self.n} places, as many outcomes and checks, got {len(self.places)}")

    @property
    def counted(self) -> Ints:
        """What each disagreement counts as `(k,)`: its outcome, or `DOUBLE_LOSS`."""
        doubled = self.all_twice & (self.checks != SAME)
        return np.where(doubled, DOUBLE_LOSS, self.outcomes)

    @property
    def counts(self) -> Floats:
        """How many texts of each kind came before every disagreement, and before the end: `(k + 1, KINDS)`."""
        kinds = np.zeros((len(self.places) + 1, KINDS))
        found = kind_twice(self.counted) if self.all_twice else kind_of(self.outcomes, self.checks)
        kinds[np.arange(1, len(self.places) + 1), found] = 1
        counts = kinds.cumsum(axis=0)
        agreed = AGREED_TWICE if self.all_twice else AGREED
        counts[:, agreed] += np.append(self.places, self.n) - np.arange(len(self.places) + 1)
        return counts


def kind_of(outcome: Kind, check: Kind) -> Kind:
    """Return the column of `Disagreements.counts` for an outcome and a check, or for arrays of them."""
    return 3 * (outcome + 1) + check


def kind_twice(counted: Kind) -> Kind:
    """Return the column where all texts are labelled twice, for what a disagreement counts as, or for arrays of it."""
    return TWICE + counted + 1


def log_wealth(found: Disagreements, epsilon: float) -> Floats:
    """Return the logarithm of the wealth before every disagreement and at the end, `(k + 1,)`; 0 at the beginning."""
    return log_wealth_after(found.counts, epsilon)


def log_wealth_after(counts: Floats, epsilon: float) -> Floats:
    """Return the logarithm of the wealth `(t,)` after texts of each kind, `(t, KINDS)` as `Disagreements.counts`."""
    least = _mean(counts @ _log_factors(epsilon)).min(axis=0)
    agreed = counts[:, [AGREED, AGREED_TWICE]].sum(axis=1)
    disagreed = counts.sum(axis=1) - agreed
    all_lost = np.stack([disagreed, agreed], axis=1) @ np.log1p(np.outer([epsilon - 1, epsilon], STAKES))
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
    """Return the logarithm of what each kind of text multiplies the wealth of each bet by: `(rates, KINDS, bets)`."""
    drop, check = (each.ravel() for each in np.meshgrid(STAKES, CHECK_STAKES))
    check = check * (1 - drop * (1 - min(epsilon, 0.0)))
    low, high = (each[:, None, None] for each in (RATES[:-1], RATES[1:]))
    outcomes = np.array([GAINED] * 3 + [EQUAL] * 3 + [LOST] * 3 + [EQUAL])[:, None]
    same, different = (
        np.array([check == kind for check in range(3)] * 3 + [False])[:, None] for kind in (SAME, DIFFERENT)
    )
    checks = same * low + different * (low - 1)
    shrunk = np.minimum((1 - 2 * high) * epsilon, epsilon)  # a gain may be shrunk as well, or not at all
    once = np.log1p(drop * (shrunk - outcomes) + check * checks)
    counted = np.array([GAINED, EQUAL, LOST, DOUBLE_LOSS, EQUAL])[:, None]
    twice = np.log1p(np.minimum(drop, _MOST_ON_DOUBLE) * (epsilon - counted))
    return np.concatenate([once, np.broadcast_to(twice, (len(once), *twice.shape))], axis=1)


def _mean(logs: Floats) -> Floats:
    """Return the logarithm of the mean over bets, the last axis."""
    top = logs.max(axis=-1)
    return np.asarray(top + np.log(np.exp(logs - top[..., None]).mean(axis=-1)))
