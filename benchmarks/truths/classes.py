"""Certificates, intervals and power of F1 and Matthews' correlation, by samples of a model pair with a known drop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, norm, spearmanr

from objectives.metrics import METRICS
from objectives.statistics import SCORED, bootstrap_drop
from objectives.statistics.power import ALPHA
from objectives.statistics.score import Kinds

KINDS = np.array([(label, dense, candidate) for label in (0, 1) for dense in (0, 1) for candidate in (0, 1)])
SIZES = (50, 200, 600, 2000, 10_000)
PREVALENCES = (0.005, 0.02, 0.1, 0.3, 0.5)
LIMIT = 0.056  # of a cell's upper 95 % limit
LOOSER = 1.25  # times the n of a z test with known variance

Floats = NDArray[np.float64]


class World(NamedTuple):
    """A model pair by class (0, 1): how often the dense model errs, and the candidate loses and gains answers."""

    name: str
    errs: tuple[float, float]
    loses: tuple[float, float]
    gains: tuple[float, float]

    def shares(self, prevalence: float) -> Floats:
        """Return the shares `(8,)` of `KINDS`."""
        found = np.zeros(len(KINDS))
        for at, (label, dense, candidate) in enumerate(KINDS):
            is_right, share = dense == label, prevalence if label else 1 - prevalence
            changes = (self.loses if is_right else self.gains)[label]
            found[at] = share * (1 - self.errs[label] if is_right else self.errs[label])
            found[at] *= changes if candidate != dense else 1 - changes
        return found


WORLDS = (
    World("losses and gains in both classes", (0.08, 0.1), (0.03, 0.04), (0.2, 0.2)),
    World("losses in the rare class only", (0.08, 0.1), (0, 0.05), (0, 0)),
    World("losses in the other class only", (0.05, 0.1), (0.01, 0), (0, 0)),
    World("gains in the rare class, losses in the other", (0.02, 0.3), (0.02, 0), (0.1, 0.1)),
    World("the candidate never answers with the rare class", (0.02, 0.3), (0, 1), (1, 0)),
)


def true_drop(metric: str, world: World, prevalence: float) -> float:
    """Return the drop of a world."""
    return float(Kinds(METRICS[metric], *KINDS.T).drop(world.shares(prevalence)[None, :])[0])


def false_certificates(
    metric: str, world: World, prevalence: float, n: int, *, repeats: int, seed: int = 0
) -> float | None:
    """Return the share of samples that certify a true drop of ε; None where the world has no drop."""
    epsilon = true_drop(metric, world, prevalence)
    if epsilon <= 0:
        return None
    return _certified(Kinds(METRICS[metric], *KINDS.T), world.shares(prevalence), epsilon, n, repeats, seed)


def covered(metric: str, world: World, prevalence: float, n: int, *, repeats: int, seed: int = 0) -> float:
    """Return the share of samples whose two-sided 95 % interval holds the true drop."""
    labels, dense, candidate = KINDS.T
    shares, drop = world.shares(prevalence), true_drop(metric, world, prevalence)
    ways = (
        (Kinds(METRICS[metric], labels, dense, candidate), drop),
        (Kinds(METRICS[metric], labels, candidate, dense), -drop),
    )
    return 1 - sum(_within(kinds, shares, each, n, repeats, seed, ALPHA / 2) for kinds, each in ways)


def power(metric: str, prevalence: float, epsilon: float, *, repeats: int) -> tuple[int, float]:
    """Return 1.25 times the n of a z test with known variance, and how often it certifies a member of true drop 0."""
    world = World("as much gained as lost", (0.08, 0.1), (0.02, 0.02), (0.02 * 0.92 / 0.08, 0.02 * 0.9 / 0.1))
    kinds, shares = Kinds(METRICS[metric], *KINDS.T), world.shares(prevalence)
    variance = float((shares * kinds.influence(shares[None, :])[0] ** 2).sum())
    n = int(np.ceil(LOOSER * (norm.ppf(1 - ALPHA) + norm.ppf(0.8)) ** 2 * variance / epsilon**2))
    return n, _certified(kinds, shares, epsilon, n, repeats, 0)


def false_bootstraps(metric: str, world: World, prevalence: float, n: int, *, repeats: int) -> float:
    """Return the share of samples with a true drop of ε of which a bootstrap says at 5 % that it is within ε."""
    epsilon = true_drop(metric, world, prevalence)
    counts = np.random.default_rng(0).multinomial(n, world.shares(prevalence), repeats)
    samples = (np.repeat(KINDS, row, axis=0).T for row in counts)
    drops = (bootstrap_drop(METRICS[metric], dense, candidate, labels, seed=0) for labels, dense, candidate in samples)
    return float(np.mean([drop.p_value(epsilon) <= ALPHA for drop in drops]))


def correlations_covered(n: int, *, repeats: int) -> float:
    """Return the share of samples whose bootstrap interval of Spearman's drop holds the true one."""
    rng, found = np.random.default_rng(0), []
    largest = _scores(rng, 400_000)
    true = float(spearmanr(largest[0], largest[1])[0] - spearmanr(largest[0], largest[2])[0])
    for _ in range(repeats):
        labels, dense, candidate = _scores(rng, n)
        interval = bootstrap_drop(METRICS["spearman"], dense, candidate, labels, seed=0).interval
        found.append(interval.lower <= true <= interval.upper)
    return float(np.mean(found))


def tables(repeats: int) -> Iterator[str]:
    """Yield the lines of the tables."""
    yield f"\n| metric | rare class | world | {' | '.join(f'n = {n:,}' for n in SIZES)} |"
    yield f"|---|---|---|{'--:|' * len(SIZES)}"
    found, held = [], []
    for metric in SCORED:
        for prevalence in PREVALENCES:
            for world in WORLDS:
                sizes = [false_certificates(metric, world, prevalence, n, repeats=repeats) for n in SIZES]
                if None not in sizes:
                    found += [size or 0.0 for size in sizes]
                    held += [covered(metric, world, prevalence, n, repeats=repeats // 5) for n in SIZES[1:4]]
                    cells = " | ".join(f"{100 * (size or 0):.1f} %" for size in sizes)
                    yield f"| {metric} | {prevalence:g} | {world.name} | {cells} |"
    limits = [float(beta.ppf(0.95, size * repeats + 1, repeats - size * repeats)) for size in found]
    above = sum(limit > LIMIT for limit in limits)
    yield f"\nof {len(found)} cells the most is {100 * max(found):.2f} %"
    yield f"upper 95 % limits reach {100 * max(limits):.2f} %, {above} of them are above {100 * LIMIT:.1f} %"
    yield f"the 95 % intervals of {len(held)} of these cells hold the true drop in at least {100 * min(held):.1f} %"
    yield "\n| metric | share of a class | ε | 1.25 times the z test's n | certified at a true drop of 0 |"
    yield "|---|--:|--:|--:|--:|"
    for metric in SCORED:
        for prevalence in (0.1, 0.3, 0.5):
            n, reached = power(metric, prevalence, 0.02, repeats=repeats)
            yield f"| {metric} | {prevalence:g} | 0.02 | {n:,} | {100 * reached:.0f} % |"
    yield f"\n| bootstrap of F1 | rare class | {' | '.join(f'n = {n:,}' for n in SIZES[:3])} |"
    yield f"|---|---|{'--:|' * 3}"
    for prevalence in (0.1, 0.3):
        for world in WORLDS[:3]:
            shown = [false_bootstraps("f1", world, prevalence, n, repeats=repeats // 50) for n in SIZES[:3]]
            yield f"| {world.name} | {prevalence:g} | {' | '.join(f'{100 * size:.0f} %' for size in shown)} |"
    shown = [correlations_covered(n, repeats=repeats // 200) for n in SIZES[:3]]
    yield f"| Spearman: the interval holds the drop | | {' | '.join(f'{100 * size:.0f} %' for size in shown)} |"


def _certified(kinds: Kinds, shares: Floats, epsilon: float, n: int, repeats: int, seed: int) -> float:
    """Return the share of samples that certify ε, as studies do: not where the candidate forgets a class."""
    return _within(kinds, shares, epsilon, n, repeats, seed, ALPHA, certifies=True)


def _within(
    kinds: Kinds,
    shares: Floats,
    epsilon: float,
    n: int,
    repeats: int,
    seed: int,
    alpha: float,
    *,
    certifies: bool = False,
) -> float:
    """Return the share of samples with a p-value of at most `alpha`; equal ones are asked once, those above ε never."""
    counts = np.random.default_rng(seed).multinomial(n, shares, repeats)
    samples, repeated = np.unique(counts, axis=0, return_counts=True)
    rows = samples.astype(np.float64)
    is_below = (kinds.drop(rows) < epsilon) & ~(kinds.forgets(rows) & certifies)
    if not is_below.any():
        return 0.0
    p_values = kinds.p_values(rows[is_below], np.full(int(is_below.sum()), epsilon))
    return float(repeated[is_below][p_values <= alpha].sum() / repeats)


def _scores(rng: np.random.Generator, n: int) -> tuple[Floats, Floats, Floats]:
    """Return labels and what a dense and a somewhat worse model answer, `(n,)` each."""
    labels, shared, own = rng.normal(size=(3, n))
    return labels, labels + 0.5 * shared, labels + 0.55 * (0.95 * shared + 0.31 * own)
