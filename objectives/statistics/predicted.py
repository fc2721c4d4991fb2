"""What search examples alone say of the true drops of some candidates, and of what fresh examples would show of them.

The model is that of `shrinkage.py` before anything is verified, in shares of the answers that change: whoever changes
few answers can neither lose nor gain much. Shares scatter around a mean that is linear in features, by an amount that
the data choose, and errors on the same examples are alike. A smaller drop than others of its kind is then mostly luck.

The covariance of the data is diagonal but for the features and what all errors share, so nothing here grows faster
than the number of candidates.

Reference: Fay & Herriot 1979, https://doi.org/10.1080/01621459.1979.10482505.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectives.statistics.shrinkage import CORRELATION, SCATTERS, Floats, Observed, noise_of, posterior

_KNOWN = 20.0  # changed answers: what the sizes of all candidates say of the variance of one


@dataclass(frozen=True, slots=True)
class PredictedDrops:
    """True drops of `m` candidates: means `(m,)`, covariance `(m, m)`, variance `(m,)` of an example's change."""

    means: Floats
    covariance: Floats
    variances: Floats

    def observed(self, n: int, *, draws: int, seed: int = 0) -> Floats:
        """Return drops `(draws, m)` that `n` fresh examples may show; an even number of draws, in opposite pairs."""
        root = np.linalg.cholesky(self.covariance + noise_of(self.variances / n))
        half = np.random.default_rng(seed).standard_normal((draws // 2, len(self.means)))
        return np.asarray(self.means + np.concatenate([half, -half]) @ root.T)


def predicted_drops(search: Observed, places: NDArray[np.int64], features: Floats, sizes: Floats) -> PredictedDrops:
    """Return what all candidates' search drops say of the true drops of those at `places`.

    Args:
        search: the candidates on the search examples.
        places: `(m,)` where those that are asked stand among them.
        features: `(k, p)` what the share of changed answers that is lost depends on, each of the order of 1.
        sizes: `(k, q)` what the variance of an example's change is a sum of, none negative, 0 for the dense model.
    """
    spread = _smoothed(search, sizes)
    scales = spread / spread.mean()
    noise = spread / search.n
    most = 2 * max(float(search.drops.std()), float(np.sqrt(noise.mean())))
    found = [
        _given(scatter * scales, search.drops, noise, places, scales[:, None] * features)
        for scatter in np.linspace(0, most, SCATTERS)
    ]
    likely = np.array([likelihood for likelihood, _, _ in found])
    weights = np.exp(likely - likely.max())
    weights /= weights.sum()
    means = np.array([mean for _, mean, _ in found])
    mean = weights @ means
    covariance = np.tensordot(weights, np.array([each for *_, each in found]), 1)
    return PredictedDrops(mean, covariance + (weights[:, None] * (means - mean)).T @ (means - mean), spread[places])


def _smoothed(search: Observed, sizes: Floats) -> Floats:
    """Return the variance of an example's change of every candidate, from its own and those of all."""
    from scipy.optimize import nnls  # takes longer to load than the rest of a server's statistics

    least = 0.5 / search.n  # half an answer
    root = np.sqrt(search.n / np.maximum(search.variances, least))  # few changes vary less than many
    slopes, _ = nnls(sizes * root[:, None], search.variances * root)
    usual = np.maximum(sizes @ slopes, least)
    return np.asarray((search.n * search.variances + _KNOWN) / (search.n + _KNOWN / usual))


def _given(
    scatter: Floats, drops: Floats, noise: Floats, places: NDArray[np.int64], features: Floats
) -> tuple[float, Floats, Floats]:
    """Return the log-likelihood of a scatter, and mean and covariance of the true drops under it.

    Candidates share the mean's coefficients and the luck of the examples; given these, each stands for itself.
    """
    own = scatter**2 + (1 - CORRELATION) * noise
    shared = np.column_stack([features, np.sqrt(CORRELATION * noise)])
    likelihood, mean, of_shared = posterior(shared, own, drops)
    kept = (scatter**2 / own)[places]  # of what is seen of a candidate beside what is shared
    by_shared = np.column_stack([features, np.zeros(len(noise))])[places] - kept[:, None] * shared[places]
    covariance = by_shared @ of_shared @ by_shared.T + np.diag(scatter[places] ** 2 * (1 - kept))
    return likelihood, kept * drops[places] + by_shared @ mean, covariance
