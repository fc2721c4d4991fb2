"""The headline: how often a verified member's stated chance to be above ε comes true, and what luck makes of drops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.truths.studies import EPSILON, SEARCHED, WORLDS, Ints, Study, World, drops_of, study
from objectives.statistics import Observed, ShrunkenDrop, shrunken_drops
from optimizer.fronts.front import knee, non_dominated

BINS, FEWEST = 10, 200  # of stated chances; studies in a bin that is told


class Headline(NamedTuple):
    """What a study says of a quoted member, and what is true: chance to be above ε, and drops."""

    chance: float
    corrected: float
    observed: float
    true: float


def headline(found: Study) -> Headline | None:
    """Return the leanest verified member of a study; None where none held."""
    held = np.flatnonzero(found.drops <= EPSILON)
    if not len(held):
        return None
    leanest = int(held[found.saved[found.places[held]].argmax()])
    shrunken = _shrunken(found)[leanest]
    return Headline(shrunken.chance_above(EPSILON), shrunken.value, found.drops[leanest], found.true[leanest])


def knees(found: Study) -> tuple[float, float, float, float] | None:
    """Return how much lower the knee's observed and corrected drop is than its true one, chosen by each of the two."""
    held = np.flatnonzero(found.drops <= EPSILON)
    costs = 1 - found.saved[found.places]
    corrected = np.array([drop.value for drop in _shrunken(found)])
    front = held[non_dominated(np.column_stack([found.drops, costs])[held])] if len(held) else held
    if not len(front):
        return None
    lucky, chosen = (int(front[knee(np.column_stack([by, costs])[front])]) for by in (found.drops, corrected))
    return (
        found.drops[lucky] - found.true[lucky],
        corrected[chosen] - found.true[chosen],
        float(found.true[lucky] > EPSILON),
        float(found.true[chosen] > EPSILON),
    )


def _shrunken(found: Study) -> list[ShrunkenDrop]:
    saved = found.saved
    return shrunken_drops(
        _observed(found.searched, SEARCHED),
        _observed(found.verified, found.n),
        found.places,
        np.column_stack([np.ones(len(saved)), saved, saved**2]),
    )


class Bin(NamedTuple):
    """Studies whose stated chance falls into one tenth: the mean of what was stated, and how often it came true."""

    stated: float
    frequency: float
    studies: int


def reliability(headlines: Sequence[Headline]) -> list[Bin]:
    """Return the bins of stated chances that hold studies."""
    chances = np.array([each.chance for each in headlines])
    came = np.array([each.true > EPSILON for each in headlines])
    place = np.minimum((chances * BINS).astype(int), BINS - 1)
    return [
        Bin(float(chances[place == at].mean()), float(came[place == at].mean()), int((place == at).sum()))
        for at in np.unique(place)
    ]


def headlines(world: World, n: int, *, repeats: int) -> list[Headline]:
    """Return the headlines of simulated studies, those that have one."""
    rng = np.random.default_rng(0)
    found = (study(rng, world, n) for _ in range(repeats))
    return [said for each in found if each is not None and (said := headline(each)) is not None]


def tables(repeats: int) -> Iterator[str]:
    """Yield the lines of the tables."""
    yield "\n| world | n | above ε | observed − true | corrected − true | stated at most → came true (studies) |"
    yield "|---|--:|--:|--:|--:|---|"
    for world in WORLDS:
        for n in (436, 1821):
            found = headlines(world, n, repeats=repeats // 5)
            true = np.array([each.true for each in found])
            observed, corrected = (np.array([getattr(each, of) for each in found]) for of in ("observed", "corrected"))
            bins = [each for each in reliability(found) if each.studies >= FEWEST]
            said = ", ".join(f"{each.stated:.2f} → {each.frequency:.2f} ({each.studies})" for each in bins)
            yield (
                f"| {world.name} | {n:,} | {100 * (true > EPSILON).mean():.0f} % | {(observed - true).mean():+.4f} | "
                f"{(corrected - true).mean():+.4f} | {said} |"
            )
    yield "\n| the knee, n = 1,821 | by observed drops | truly above ε | by corrected drops | truly above ε |"
    yield "|---|--:|--:|--:|--:|"
    for world in WORLDS[:4]:
        rng = np.random.default_rng(0)
        each_study = (study(rng, world, 1821) for _ in range(repeats // 20))
        found_knees = np.array([k for each in each_study if each is not None and (k := knees(each)) is not None])
        observed, corrected, lucky, chosen = found_knees.mean(axis=0)
        yield f"| {world.name} | {observed:+.4f} | {100 * lucky:.0f} % | {corrected:+.4f} | {100 * chosen:.0f} % |"


def _observed(counts: Ints, n: int) -> Observed:
    drops = drops_of(counts, n)
    return Observed(drops, counts.sum(axis=1) / n - drops**2, np.full(len(drops), float(n)))
