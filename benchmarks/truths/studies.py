"""Studies: candidates that share search and verification examples, and a shortlist.

A world says what is true of a study's candidates, given how much of the cost each of them saves: the drop, and the
share of examples on which it and the dense model differ. Both may vary from study to study. In some worlds there are
trained candidates beside them. A divergence tells the share of changed answers, but for what it scatters.

`REAL` and the trained ones are drawn after nine studies of a MiniLM on SST-2 with units and low rank (docs/results.md):
51 verified members, of whose drops cost explains half, and eight trained ones of 0.06 to 0.30 of the FLOPs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from objectives.statistics import Observed
from optimizer.selection.rehearsal import Shown
from optimizer.selection.shortlist import SIZE

EPSILON = 0.01
SEARCHED, CANDIDATES = 872, 40
COMMON = np.float32(0.8)  # of the variance of what makes candidates err: differences then correlate by about 0.45

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Truth = tuple[Floats, Floats]  # drops and discordant shares, `(k,)` each
Settle = Callable[[Shown, Ints, int], list[int]]  # what the search shows, who is within ε, verification examples
TRAINED, LEADERS = 8, 4  # of a study with recovery: who learns, and who learns to the end


class Trained(NamedTuple):
    """True drops of trained candidates: their mean, what they scatter by between and within studies, and the slope.

    The slope is what the leanest of them loses more than the most costly one.
    """

    mean: float
    between: float
    within: float
    slope: float


class World(NamedTuple):
    """What is true in a study: a draw of drops and discordant shares, given what the candidates save."""

    name: str
    draw: Callable[[np.random.Generator, Floats], Truth]
    trained: Trained | None = None

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


def _real(rng: np.random.Generator, saved: Floats) -> Truth:
    own, level = np.exp(rng.normal(scale=0.25, size=len(saved))), float(np.exp(rng.normal(scale=0.3)))
    drops = level * own * (0.0015 - 0.011 * saved + 0.026 * saved**2)
    return drops + rng.normal(scale=0.001, size=len(saved)), own * np.maximum(0.097 * saved - 0.03, 0.003)


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
REAL = World("as in real studies", _real)
WITH_TRAINED = (
    World("trained ones as in real studies", _real, Trained(0.0012, 0.002, 0.002, 0.0)),
    World("trained ones lose more as they get leaner", _real, Trained(0.0, 0.002, 0.002, 0.012)),
    World("trained ones scatter", _real, Trained(0.001, 0.003, 0.004, 0.004)),
    World("trained ones are no better", _real, Trained(0.006, 0.003, 0.002, 0.008)),
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
    shown: Shown

    @property
    def drops(self) -> Floats:
        """The observed drops of the verified members."""
        return drops_of(self.verified, self.n)


def study(rng: np.random.Generator, world: World, n: int, *, settle: Settle | None = None) -> Study | None:
    """Return a study with `n` verification examples; None where no candidate is within ε on the search examples.

    `settle` chooses up to half of the shortlist, and of like candidates the one of the least divergence is taken beside
    them, as a study does; without it any. Trained candidates that led are on the shortlist as well.
    """
    saved = np.sort(1 - rng.uniform(0.2, 0.95, CANDIDATES))
    drops, discordant = world.truth(rng, saved)
    if world.trained:
        some = _trained(rng, world.trained)
        saved, drops, discordant = (np.concatenate(both) for both in zip((saved, drops, discordant), some, strict=True))
    searched = _counts(rng, drops, discordant, SEARCHED)
    shown = _shown(rng.spawn(1)[0], saved, searched, discordant)
    places = _shortlist(rng, shown, searched, settle, n)
    if not len(places):
        return None
    verified = _counts(rng, drops[places], discordant[places], n)
    return Study(saved, searched, places, verified, n, drops[places], shown)


def _trained(rng: np.random.Generator, world: Trained) -> tuple[Floats, Floats, Floats]:
    """Return what trained candidates save, their drops and discordant shares; the most costly one first."""
    costs = np.geomspace(rng.uniform(0.2, 0.35), rng.uniform(0.045, 0.08), TRAINED)
    leaner = np.log(0.35 / costs) / np.log(0.35 / 0.06)
    drops = world.mean + rng.normal(scale=world.between) + world.slope * leaner
    drops = drops + rng.normal(scale=world.within, size=TRAINED)
    discordant = (0.026 + 0.032 * leaner) * np.exp(rng.normal(scale=0.12, size=TRAINED))
    return 1 - costs, drops, np.maximum(discordant, np.abs(drops) + 0.004)


def _shown(rng: np.random.Generator, saved: Floats, searched: Ints, discordant: Floats) -> Shown:
    """Return what a search shows; of 59 verified members of real studies divergences scatter by this much."""
    drops = drops_of(searched, SEARCHED)
    divergences = (discordant / 0.27) ** (1 / 0.62) * np.exp(rng.normal(scale=0.28, size=len(saved)))
    counted = Observed(drops, searched.sum(axis=1) / SEARCHED - drops**2, np.full(len(saved), float(SEARCHED)))
    return Shown(counted, saved, divergences, np.where(np.arange(len(saved)) < CANDIDATES, 0.0, 1.0))


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


def _shortlist(rng: np.random.Generator, shown: Shown, searched: Ints, settle: Settle | None, n: int) -> Ints:
    """Return those settled, one feasible candidate per stretch of the cost, and the trained ones that led.

    Of a stretch it is one that is a standard error inside ε where there is one.
    """
    drops, errors = drops_of(searched, SEARCHED), errors_of(searched, SEARCHED)
    feasible = np.flatnonzero((drops <= EPSILON) & (shown.trained == 0))
    if not len(feasible):
        return feasible
    chosen = settle(shown, feasible, n) if settle else []
    left = np.setdiff1d(feasible, chosen)
    costs = 1 - shown.saved[left]
    edges = np.geomspace(costs.min(initial=1.0), 1.0, SIZE - len(chosen) + 1)[1:-1]
    stretches = np.searchsorted(edges, costs, side="right")
    for stretch in np.unique(stretches):
        some = left[stretches == stretch]
        safe = some[drops[some] + errors[some] <= EPSILON]
        some = safe if len(safe) else some
        chosen.append(int(some[shown.divergences[some].argmin()] if settle else rng.choice(some)))
    pairs = np.flatnonzero(shown.trained).reshape(-1, TRAINED // LEADERS)
    leaders = [int(pair[shown.divergences[pair].argmin()]) for pair in pairs]
    return np.sort(np.array([*chosen, *leaders]))
