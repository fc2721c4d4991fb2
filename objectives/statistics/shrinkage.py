"""What a model of all of a study's candidates says of the true drops of those that were verified.

A member is quoted because its observed drop is small, so part of that drop is luck. The model knows how all candidates
did on the search examples, the members that nobody would quote among them: true drops scatter around a mean that
depends on `features` such as the cost, by an amount that the data choose; search and verification examples are
independent, and errors on the same examples are alike. Given all of this, a true drop does not depend on how members
were chosen, since they were chosen by figures that the model has seen.

The errors' sizes are smoothed over the candidates: one that lost few examples by luck would otherwise count as more
certain than one that lost many. `benchmarks/truth.py` simulates how often the stated chances come true.

References: Fay & Herriot 1979, https://doi.org/10.1080/01621459.1979.10482505 (the model); Gelman 2006,
https://doi.org/10.1214/06-BA117A (the flat prior of the scatter); Rubin 1976, https://doi.org/10.1093/biomet/63.3.581
(why the choice may be ignored). The correlated errors and the doubled variance of the chance are ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from objectives.measurement import Interval

CORRELATION = 0.5  # of two candidates' errors on the same examples: 0.2 to 0.97 in a real study, 0.47 on average
SCATTERS = 12  # standard deviations of true drops around their mean, from 0 to twice the observed one
_LEAST = 0.5  # discordant examples
_DOUBT = math.sqrt(2)  # as if half as much were known: in worlds unlike the model chances are understated otherwise

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Observed:
    """Drops `(k,)` in the metric's unit, the variance `(k,)` of one example's change, and the examples `(k,)` seen."""

    drops: Floats
    variances: Floats
    n: Floats


@dataclass(frozen=True, slots=True)
class ShrunkenDrop:
    """The true drop of a member in the metric's unit, as the model sees it: its mean and its standard deviation."""

    value: float
    deviation: float

    @property
    def interval(self) -> Interval:
        """The two-sided 95 % interval."""
        reach = NormalDist().inv_cdf(0.975) * self.deviation
        return Interval(lower=self.value - reach, upper=self.value + reach)

    def chance_above(self, epsilon: float) -> float:
        """Return an upper bound of the probability that the true drop is above `epsilon`, rounded up to a percent.

        It is at least 0.01: far from ε the distribution function underflows, and no model is as certain as that.
        """
        distance = (self.value - epsilon) / self.deviation
        return max(1, math.ceil(100 * NormalDist().cdf(max(distance, distance / _DOUBT)))) / 100


def shrunken_drops(
    search: Observed, verified: Observed, places: NDArray[np.int64], features: Floats
) -> list[ShrunkenDrop]:
    """Return the true drops of verified members.

    Args:
        search: all candidates on the search examples.
        verified: the members on the verification examples.
        places: `(m,)` where each member stands among the candidates.
        features: `(k, p)` what the mean drop of a candidate depends on, each of the order of 1.
    """
    spread = _smoothed(search, verified, places, features)
    drops = np.concatenate([search.drops, verified.drops])
    noise = np.concatenate([spread / search.n, spread[places] / verified.n])
    found = [
        _given(scatter, drops, noise, places, features)
        for scatter in np.linspace(0, 2 * max(float(search.drops.std()), math.sqrt(noise.mean())), SCATTERS)
    ]
    likely = np.array([likelihood for likelihood, _, _ in found])
    weights = np.exp(likely - likely.max())
    weights /= weights.sum()
    means, variances = np.array([mean for _, mean, _ in found]), np.array([variance for _, _, variance in found])
    mean = weights @ means
    deviation = np.sqrt(weights @ (variances + (means - mean) ** 2))
    return [ShrunkenDrop(float(value), float(error)) for value, error in zip(mean, deviation, strict=True)]


def _smoothed(search: Observed, verified: Observed, places: NDArray[np.int64], features: Floats) -> Floats:
    """Return the variance `(k,)` of one example's change of every candidate, a linear function of its features."""
    rows, seen = np.vstack([features, features[places]]), np.concatenate([search.n, verified.n])
    root = np.sqrt(seen)
    slopes = np.linalg.lstsq(
        rows * root[:, None], np.concatenate([search.variances, verified.variances]) * root, rcond=None
    )[0]
    return np.asarray(np.maximum(features @ slopes, _LEAST / search.n))


def noise_of(variances: Floats) -> Floats:
    """Return the covariance of candidates' errors on the same examples."""
    errors = np.sqrt(variances)
    return CORRELATION * np.outer(errors, errors) + (1 - CORRELATION) * np.diag(variances)


def _given(
    scatter: float, drops: Floats, noise: Floats, places: NDArray[np.int64], features: Floats
) -> tuple[float, Floats, Floats]:
    """Return the log-likelihood of a scatter, and means and variances `(m,)` of the true drops under it.

    `drops` and `noise` `(k + m,)` are those of the search, then those of verification. What they share is the mean's
    coefficients, the luck of either kind of examples, and what is particular to a member that was verified.
    """
    candidates, members = len(features), np.arange(len(places))
    luck = np.zeros((len(drops), 2))
    luck[:candidates, 0] = luck[candidates:, 1] = 1
    particular = np.zeros((len(drops), len(places)))
    particular[places, members] = particular[candidates + members, members] = scatter
    own = (1 - CORRELATION) * noise
    own[np.setdiff1d(np.arange(candidates), places)] += scatter**2
    shared = np.hstack(
        [np.vstack([features, features[places]]), luck * np.sqrt(CORRELATION * noise)[:, None], particular]
    )
    likelihood, mean, covariance = posterior(shared, own, drops)
    true = np.hstack([features[places], np.zeros((len(places), 2)), scatter * np.eye(len(places))])
    return likelihood, true @ mean, ((true @ covariance) * true).sum(axis=1)


def posterior(shared: Floats, own: Floats, drops: Floats) -> tuple[float, Floats, Floats]:
    """Return the log-likelihood of `drops` `(d,)`, and mean `(q,)` and covariance of what they share.

    That is a standard normal vector before the data, of which drops are the products with `shared` `(d, q)` and errors
    of their own of variances `own` `(d,)`. Time and memory grow with d alone.
    """
    scaled = shared / own[:, None]
    precision = np.eye(shared.shape[1]) + shared.T @ scaled
    covariance = np.asarray(np.linalg.inv(precision), dtype=np.float64)
    mean = covariance @ (scaled.T @ drops)
    log_volume = np.log(own).sum() + np.linalg.slogdet(precision).logabsdet
    likelihood = -(drops @ (drops / own) - mean @ precision @ mean + log_volume) / 2
    return float(likelihood), mean, covariance
