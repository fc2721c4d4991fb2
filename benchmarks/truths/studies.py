"""Studies: candidates that share search and verification examples, and a shortlist.

A world says what is true of a study's candidates, given how much of the cost each of them saves: the drop, and the
share of examples on which it and the dense model differ. Both may vary from study to study.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from optimizer.shortlist import SIZE

EPSILON = 0.01
SEARCHED, CANDIDATES = 872, 40
COMMON = np.float32(0.8)  # of the variance of what makes candidates err: differences then correlate by about 0.45

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Truth = tuple[Floats, Floats]  # drops and discordant shares, `(k,)` each


class World(NamedTuple):
    """What is true in a study: a draw of drops and discordant shares, given what the candidates save."""

    name: str
    draw: Callable[[np.random.Generator, Floats], Truth]

    def truth(self, rng: np.random.Generator, saved: Floats) -> Truth:
        """Return drops and discordant shares; a share is at least the drop."""
        drops, discordant = self.draw(rng, saved)
        return drops, np.maximum(discordant, np.abs(drops) + 0.004)


def _level(rng: np.random.Generator) -> float:
    return float(np.exp(rng.normal(scale=0.5)))


def _discordant(saved: Floats) -> Floats:
    return np.asarray(0.01 + 0.06 * saved)


def _usual(rng: np.random.Generator, saved: Floats) -> Truth:
    return _level(rng) * 0.012 * (saved / 0.8) ** 2 + rng.normal(scale=0.002, size=len(saved)), _discordant(saved)


def _flat(rng: np.random.Generator, saved: Floats) -> Truth:
    return rng.uniform(0.002, 0.018) + rng.normal(scale=0.003, size=len(saved)), _discordant(saved)


def _few_good(rng: np.random.Generator, saved: Floats) -> Truth:
    share = np.where(rng.random(len(saved)) < 0.15, 0.3, 1.0)
    return _level(rng) * share * (0.004 + 0.03 * saved) + rng.normal(scale=0.001, size=len(saved)), _discordant(saved)


def _twice_discordant(rng: np.random.Generator, saved: Floats) -> Truth:
    drops, discordant = _usual(rng, saved)
    return drops, 2 * discordant


def _skewed(rng: np.random.Generator, saved: Floats) -> Truth:
    return _level(rng) * 0.012 * saved * rng.gamma(1, 1, size=len(saved)), _discordant(saved)


def _cliff(rng: np.random.Generator, saved: Floats) -> Truth:
    drops = np.where(saved > rng.uniform(0.2, 0.8), 0.012 * _level(rng), 0.001)
    return drops + rng.normal(scale=0.002, size=len(saved)), _discordant(saved)


def _at_the_border(_rng: np.random.Generator, saved: Floats) -> Truth:
    return np.full(len(saved), EPSILON + 1e-9), _discordant(saved)


WORLDS = (
    World("as the model has it", _usual),
    World("flat", _flat),
    World("few good members", _few_good),
    World("discordance × 2", _twice_discordant),
    World("skewed, as F1 is", _skewed),
    World("a cliff", _cliff),
)
AT_THE_BORDER = World("every true drop just above ε", _at_the_border)


class Study(NamedTuple):
    """A simulated study: what all candidates save and their search counts `(k, 2)`; of the `(m,)` verified the rest."""

    saved: Floats
    searched: Ints
    places: Ints
    verified: Ints
    n: int
    true: Floats  # drops of the verified

    @property
    def drops(self) -> Floats:
        """The observed drops of the verified members."""
        return drops_of(self.verified, self.n)


def study(rng: np.random.Generator, world: World, n: int) -> Study | None:
    """Return a study with `n` verification examples; None where no candidate is within ε on the search examples."""
    saved = np.sort(1 - rng.uniform(0.2, 0.95, CANDIDATES))
    drops, discordant = world.truth(rng, saved)
    searched = _counts(rng, drops, discordant, SEARCHED)
    places = _shortlist(rng, saved, searched)
    if not len(places):
        return None
    verified = _counts(rng, drops[places], discordant[places], n)
    return Study(saved, searched, places, verified, n, drops[places])


def drops_of(counts: Ints, n: int) -> Floats:
    """Return the drops of lost and gained counts `(k, 2)`."""
    return np.asarray((counts[:, 0] - counts[:, 1]) / n)


def errors_of(counts: Ints, n: int) -> Floats:
    """Return the standard errors of the drops of lost and gained counts `(k, 2)`."""
    return np.asarray(np.sqrt(np.maximum(counts.sum(axis=1) / n - drops_of(counts, n) ** 2, 0) / n))


def _counts(rng: np.random.Generator, drops: Floats, discordant: Floats, n: int) -> Ints:
    """Return lost and gained counts `(k, 2)` of candidates that err on similar examples."""
    shared, own = (rng.standard_normal(shape, dtype=np.float32) for shape in (n, (len(drops), n)))
    of_all = np.sqrt(COMMON) * shared + np.sqrt(1 - COMMON) * own
    lost, gained = (discordant + drops) / 2, np.maximum(discordant - drops, 0) / 2
    below, above = ndtri(np.maximum(lost, 1e-12))[:, None], -ndtri(np.maximum(gained, 1e-12))[:, None]
    return np.stack([(of_all < below).sum(axis=1), (of_all > above).sum(axis=1)], axis=1)


def _shortlist(rng: np.random.Generator, saved: Floats, searched: Ints) -> Ints:
    """Return one feasible candidate per stretch of the cost, one a standard error inside ε where there is one."""
    drops, errors = drops_of(searched, SEARCHED), errors_of(searched, SEARCHED)
    feasible = np.flatnonzero(drops <= EPSILON)
    if not len(feasible):
        return feasible
    costs = 1 - saved[feasible]
    stretches = np.searchsorted(np.geomspace(costs.min(), 1.0, SIZE + 1)[1:-1], costs, side="right")
    chosen = []
    for stretch in np.unique(stretches):
        some = feasible[stretches == stretch]
        safe = some[drops[some] + errors[some] <= EPSILON]
        chosen.append(rng.choice(safe if len(safe) else some))
    return np.sort(np.array(chosen))
