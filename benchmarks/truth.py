"""Promise against frequency of certificates, by simulation: `python -m benchmarks.truth` prints Markdown tables.

The first table draws samples of a model pair whose true drop is exactly ε, and counts certificates at 5 %. The second
counts those that a bootstrap would give, which is why it gives none. The third simulates whole studies: candidates that
share search and verification examples, a shortlist, and the certificates that Holm's correction and the fixed sequence
give. The last ones are about bought labels (`benchmarks/buying.py`). A world is a row of data; add rows to ask about
others.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from benchmarks import buying
from objectives.metrics import METRICS
from objectives.statistics import SCORED, bootstrap_drop, holm, paired_drop_p_value
from objectives.statistics.power import ALPHA
from objectives.statistics.score import Kinds
from optimizer.certification import MARGIN, verification_alpha
from optimizer.spec import StudySpec

KINDS = np.array([(label, dense, candidate) for label in (0, 1) for dense in (0, 1) for candidate in (0, 1)])
SIZES = (60, 200, 600, 2000, 10_000)
PREVALENCES = (0.005, 0.02, 0.1, 0.3, 0.5)

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
)


def false_certificates(
    metric: str, world: World, prevalence: float, n: int, *, repeats: int, seed: int = 0
) -> float | None:
    """Return the share of samples that certify a true drop of ε; None where the world has no drop."""
    kinds, shares = Kinds(METRICS[metric], *KINDS.T), world.shares(prevalence)
    epsilon = float(kinds.drop(shares[None, :])[0])
    if epsilon <= 0:
        return None
    counts = np.random.default_rng(seed).multinomial(n, shares, repeats).astype(np.float64)
    return float((kinds.p_values(counts, np.full(repeats, epsilon)) <= ALPHA).mean())


def false_bootstraps(metric: str, world: World, prevalence: float, n: int, *, repeats: int) -> float:
    """Return the share of samples with a true drop of ε of which a bootstrap says at 5 % that it is within ε."""
    shares = world.shares(prevalence)
    epsilon = float(Kinds(METRICS[metric], *KINDS.T).drop(shares[None, :])[0])
    samples = (np.repeat(KINDS, row, axis=0).T for row in np.random.default_rng(0).multinomial(n, shares, repeats))
    drops = (bootstrap_drop(METRICS[metric], dense, candidate, labels, seed=0) for labels, dense, candidate in samples)
    return float(np.mean([drop.p_value(epsilon) <= ALPHA for drop in drops]))


class Rule(NamedTuple):
    """What a rule certified over many studies."""

    leanest: float  # mean share of the FLOPs, 1 where nothing was certified
    nothing: float  # share of studies
    false: float  # share of studies with at least one false certificate


def studies(n: int, *, epsilon: float = 0.01, searched: int = 872, repeats: int = 500) -> dict[str, Rule]:
    """Return what Holm's correction and the fixed sequence certify in new studies of accuracy, ten members each."""
    spec = StudySpec.model_validate({"model": "any", "task": "sst2", "epsilon": epsilon})
    alpha, rng = verification_alpha(spec, METRICS["accuracy"]), np.random.default_rng(0)
    costs = np.geomspace(0.2, 0.95, 10)
    drops, discordant = 0.012 * ((1 - costs) / 0.8) ** 2, 0.01 + 0.06 * (1 - costs)
    found: dict[str, list[tuple[float, bool]]] = {"Holm": [], "fixed sequence": []}
    for _ in range(repeats):
        truth = drops + rng.normal(scale=0.002, size=10)
        predicted = _sample(rng, truth, discordant, searched)
        lost, gained = predicted.T
        search_drop = (lost - gained) / searched
        verified = _sample(rng, truth, discordant, n)
        p = np.array([paired_drop_p_value(int(b), int(c), n, epsilon) for b, c in verified])
        error = np.sqrt(np.maximum(lost + gained - (lost - gained) ** 2 / searched, 0)) / searched
        listed = [k for k in range(9, -1, -1) if not _is_beaten(k, search_drop, error)]
        passed = np.cumprod(p[listed] <= alpha).astype(bool)
        for name, certified in (
            ("Holm", np.flatnonzero(holm(p) <= alpha)),
            ("fixed sequence", np.array(listed)[passed]),
        ):
            found[name].append((float(costs[certified].min(initial=1.0)), bool((truth[certified] > epsilon).any())))
    return {name: _rule(results) for name, results in found.items()}


def _is_beaten(member: int, drop: Floats, error: Floats) -> bool:
    """Whether a cheaper candidate, one of a lower number, has a drop that is smaller by two standard errors."""
    margin = MARGIN * np.maximum(error[:member], error[member])
    return bool(np.any(drop[:member] + margin <= drop[member]))


def _rule(results: Sequence[tuple[float, bool]]) -> Rule:
    leanest, is_false = np.array([cost for cost, _ in results]), np.array([wrong for _, wrong in results])
    return Rule(float(leanest.mean()), float((leanest == 1).mean()), float(is_false.mean()))


def _sample(rng: np.random.Generator, drops: Floats, discordant: Floats, n: int) -> NDArray[np.int64]:
    """Return lost and gained counts `(k, 2)` of candidates that err on similar examples."""
    shared, own = rng.normal(size=n), rng.normal(size=(len(drops), n))
    uniform = ndtr(np.sqrt(0.6) * shared + np.sqrt(0.4) * own)
    lost, gained = (discordant + drops) / 2, np.maximum(discordant - drops, 0) / 2
    return np.stack([(uniform < lost[:, None]).sum(axis=1), (uniform > 1 - gained[:, None]).sum(axis=1)], axis=1)


def _tables(repeats: int) -> Iterator[str]:
    yield f"| metric | rare class | world | {' | '.join(f'n = {n:,}' for n in SIZES)} |"
    yield f"|---|---|---|{'--:|' * len(SIZES)}"
    for metric in SCORED:
        for prevalence in PREVALENCES:
            for world in WORLDS:
                sizes = [false_certificates(metric, world, prevalence, n, repeats=repeats) for n in SIZES]
                if None not in sizes:
                    cells = " | ".join(f"{100 * (size or 0):.1f} %" for size in sizes)
                    yield f"| {metric} | {prevalence:g} | {world.name} | {cells} |"
    yield f"\n| bootstrap of F1 | rare class | {' | '.join(f'n = {n:,}' for n in SIZES[:3])} |"
    yield f"|---|---|{'--:|' * 3}"
    for prevalence in (0.1, 0.3):
        for world in WORLDS[:3]:
            shown = [false_bootstraps("f1", world, prevalence, n, repeats=repeats // 10) for n in SIZES[:3]]
            yield f"| {world.name} | {prevalence:g} | {' | '.join(f'{100 * size:.0f} %' for size in shown)} |"
    yield "\n| n | rule | leanest certified | nothing certified | a false certificate |\n|--:|---|--:|--:|--:|"
    for n in (436, 872, 1821, 9815):
        for name, rule in studies(n, repeats=repeats // 4).items():
            yield f"| {n:,} | {name} | {rule.leanest:.3f} | {100 * rule.nothing:.1f} % | {100 * rule.false:.1f} % |"
    yield from buying.tables(repeats)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2000, help="samples of each world")
    for line in _tables(parser.parse_args().repeats):
        print(line, flush=True)
