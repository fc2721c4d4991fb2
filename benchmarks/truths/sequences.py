"""Sequences: what Holm's correction, the fixed sequence and its list of earlier versions certify in whole studies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from benchmarks.truths.studies import (
    AT_THE_BORDER,
    EPSILON,
    REAL,
    SEARCHED,
    WITH_TRAINED,
    WORLDS,
    Floats,
    Ints,
    Study,
    World,
    drops_of,
    errors_of,
    study,
)
from objectives.metrics import METRICS
from objectives.statistics import holm, paired_drop_p_value
from optimizer.selection.certification import best_sequence, verification_alpha
from optimizer.selection.rehearsal import Shown, passing
from optimizer.selection.shortlist import SIZE
from optimizer.spec import StudySpec

SPEC = StudySpec.model_validate({"model": "any", "task": "sst2", "epsilon": EPSILON})
ALPHA = verification_alpha(SPEC, METRICS["accuracy"])
LIKELY = 0.8  # chance to pass, of earlier versions


class Rule(NamedTuple):
    """What a rule certified over many studies."""

    leanest: float  # mean share of the FLOPs, 1 where nothing was certified
    nothing: float  # share of studies
    false: float  # share of studies with at least one false certificate


def sequences(n: int, *, world: World = WORLDS[0], repeats: int = 500) -> dict[str, Rule]:
    """Return what each rule certifies in new studies of accuracy; Holm's correction is over the same shortlist."""
    found: dict[str, list[tuple[float, bool]]] = {"Holm": [], "earlier list": [], "fixed sequence": []}
    rng, before = np.random.default_rng(0), np.random.default_rng(0)
    for _ in range(repeats):
        now = study(rng, world, n, settle=partial(_best, most=SIZE // 2))
        then = study(before, world, n, settle=lambda *_: [])
        if now is None or then is None:
            for results in found.values():
                results.append((1.0, False))
            continue
        found["Holm"].append(_certified(now, np.flatnonzero(holm(_p_values(now)) <= ALPHA)))
        found["earlier list"].append(_certified(then, _passed(then, _earlier(then))))
        places = {int(place): at for at, place in enumerate(now.places)}
        listed = [places[member] for member in _best(now.shown, now.places, n)]
        found["fixed sequence"].append(_certified(now, _passed(now, listed)))
    return {name: _rule(results) for name, results in found.items()}


def tables(repeats: int) -> Iterator[str]:
    """Yield the lines of the tables."""
    yield "\n| n | rule | leanest certified | nothing certified | a false certificate |\n|--:|---|--:|--:|--:|"
    for n in (436, 872, 1821, 9815):
        for name, rule in sequences(n, world=REAL, repeats=repeats // 20).items():
            yield f"| {n:,} | {name} | {rule.leanest:.3f} | {100 * rule.nothing:.1f} % | {100 * rule.false:.1f} % |"
    yield "\n| n = 1,821 | Holm | earlier list | fixed sequence | nothing certified | a false certificate |"
    yield "|---|--:|--:|--:|---|---|"
    for world in (*WORLDS, *WITH_TRAINED, AT_THE_BORDER):
        rules = sequences(1821, world=world, repeats=repeats // 20).values()
        leanest = " | ".join(f"{rule.leanest:.3f}" for rule in rules)
        shares = zip(*(rule[1:] for rule in rules), strict=True)
        nothing, false = (" / ".join(f"{100 * share:.1f}" for share in each) for each in shares)
        yield f"| {world.name} | {leanest} | {nothing} % | {false} % |"


def _best(shown: Shown, some: Ints, n: int, *, most: int | None = None) -> list[int]:
    """Return which of some candidates make the best list, the most costly first."""
    ordered = some[np.argsort(shown.saved[some], kind="stable")]
    passes = passing(shown, ordered, epsilon=EPSILON, alpha=ALPHA, examples=n)
    return [int(ordered[at]) for at in best_sequence(1 - shown.saved[ordered], passes, most=most)]


def _earlier(found: Study) -> list[int]:
    """Return the list of earlier versions, which took a search drop for an estimate without a bias.

    A member was listed that was likely to pass or likelier than any cheaper one; of a study with trained members those
    alone, behind the one that costs more and is most likely to pass.
    """
    searched, costs = found.searched[found.places], 1 - found.saved[found.places]
    drops, errors = drops_of(searched, SEARCHED), np.maximum(errors_of(searched, SEARCHED), 1 / SEARCHED)
    there = errors * np.sqrt(SEARCHED / found.n)
    chances = norm.cdf((EPSILON - norm.ppf(1 - ALPHA) * there - drops) / np.hypot(errors, there))
    trained = found.shown.trained[found.places] > 0
    tried = np.flatnonzero(trained) if trained.any() else np.arange(len(costs))
    leaner = (costs[tried, None] > costs[tried]) & (chances[tried, None] <= chances[tried])
    listed = tried[(chances[tried] >= LIKELY) | ~leaner.any(axis=1)]
    above = np.flatnonzero(~trained & trained.any() & (costs > costs[trained].max(initial=0)))
    first = above[np.argsort(-chances[above])[:1]]
    return sorted(map(int, [*listed, *first]), key=lambda member: -costs[member])


def _passed(found: Study, listed: Sequence[int]) -> Ints:
    """Return the members of a list before the first that fails."""
    fails = np.append(_p_values(found)[list(listed)] > ALPHA, True)
    return np.array(listed[: int(fails.argmax())], dtype=int)


def _p_values(found: Study) -> Floats:
    return np.array([paired_drop_p_value(int(b), int(c), found.n, EPSILON) for b, c in found.verified])


def _certified(found: Study, members: Ints) -> tuple[float, bool]:
    """Return the least cost of certified members, 1 where there are none, and whether any is truly above ε."""
    costs = 1 - found.saved[found.places[members]]
    return float(costs.min(initial=1.0)), bool((found.true[members] > EPSILON).any())


def _rule(results: Sequence[tuple[float, bool]]) -> Rule:
    leanest, is_false = np.array([cost for cost, _ in results]), np.array([wrong for _, wrong in results])
    return Rule(float(leanest.mean()), float((leanest == 1).mean()), float(is_false.mean()))
