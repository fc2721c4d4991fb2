"""Sequences: what Holm's correction and the fixed sequence certify in whole studies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from benchmarks.truths.studies import (
    AT_THE_BORDER,
    EPSILON,
    SEARCHED,
    WORLDS,
    Floats,
    Ints,
    World,
    drops_of,
    errors_of,
    study,
)
from objectives.metrics import METRICS
from objectives.statistics import holm, paired_drop_p_value
from optimizer.certification import LIKELY, verification_alpha
from optimizer.spec import StudySpec


class Rule(NamedTuple):
    """What a rule certified over many studies."""

    leanest: float  # mean share of the FLOPs, 1 where nothing was certified
    nothing: float  # share of studies
    false: float  # share of studies with at least one false certificate


def sequences(n: int, *, world: World = WORLDS[0], repeats: int = 500) -> dict[str, Rule]:
    """Return what Holm's correction and the fixed sequence certify in new studies of accuracy."""
    spec = StudySpec.model_validate({"model": "any", "task": "sst2", "epsilon": EPSILON})
    alpha, rng = verification_alpha(spec, METRICS["accuracy"]), np.random.default_rng(0)
    found: dict[str, list[tuple[float, bool]]] = {"Holm": [], "fixed sequence": []}
    for each in (study(rng, world, n) for _ in range(repeats)):
        if each is None:
            for results in found.values():
                results.append((1.0, False))
            continue
        costs = 1 - each.saved[each.places]
        p = np.array([paired_drop_p_value(int(b), int(c), n, EPSILON) for b, c in each.verified])
        listed = _listed(costs, each.searched[each.places], n, alpha)
        passed = np.cumprod(p[listed] <= alpha).astype(bool)
        for name, certified in (("Holm", np.flatnonzero(holm(p) <= alpha)), ("fixed sequence", listed[passed])):
            found[name].append((float(costs[certified].min(initial=1.0)), bool((each.true[certified] > EPSILON).any())))
    return {name: _rule(results) for name, results in found.items()}


def tables(repeats: int) -> Iterator[str]:
    """Yield the lines of the tables."""
    yield "\n| n | rule | leanest certified | nothing certified | a false certificate |\n|--:|---|--:|--:|--:|"
    for world, sizes in ((WORLDS[0], (436, 872, 1821, 9815)), (AT_THE_BORDER, (436, 1821))):
        for n in sizes:
            for name, rule in sequences(n, world=world, repeats=repeats // 10).items():
                what = name if world is WORLDS[0] else f"{name}, {world.name}"
                yield f"| {n:,} | {what} | {rule.leanest:.3f} | {100 * rule.nothing:.1f} % | {100 * rule.false:.1f} % |"


def _listed(costs: Floats, searched: Ints, n: int, alpha: float) -> Ints:
    """Return the certification list, most costly first: as `in_sequence` in optimizer/certification.py."""
    drops, errors = drops_of(searched, SEARCHED), np.maximum(errors_of(searched, SEARCHED), 1 / SEARCHED)
    there = errors * np.sqrt(SEARCHED / n)
    chances = norm.cdf((EPSILON - norm.ppf(1 - alpha) * there - drops) / np.hypot(errors, there))

    def is_worth_a_step(member: int) -> bool:
        is_beaten = np.any((costs < costs[member]) & (chances >= chances[member]))
        return bool(chances[member] >= LIKELY or not is_beaten)

    return np.array([member for member in np.argsort(-costs) if is_worth_a_step(member)])


def _rule(results: Sequence[tuple[float, bool]]) -> Rule:
    leanest, is_false = np.array([cost for cost, _ in results]), np.array([wrong for _, wrong in results])
    return Rule(float(leanest.mean()), float((leanest == 1).mean()), float(is_false.mean()))
