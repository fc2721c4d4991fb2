"""Promise against frequency of certificates by bought labels: `python -m benchmarks.buying` prints Markdown tables.

`python -m benchmarks.truth` prints them as well.

In every world the true drop is exactly ε, so each certificate is false; at most one in a hundred studies may give one.
`UNPROTECTED` worlds break the assumption on mistakes: these are on texts that the member loses alone.
A world is a row of data; add rows to ask about others.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectives.statistics import paired_drop_p_value
from objectives.statistics.bought import DIFFERENT, EQUAL, LOST, SAME, UNCHECKED, Disagreements, log_wealth
from optimizer.certify.sequence import CHECK_FIRST, CHECK_SHARE, CHECKED_CLOSELY

ALPHA = 0.01
EPSILON = 0.01
BATCHES = 15

Ints = NDArray[np.int64]


class World(NamedTuple):
    """A member with a true drop of ε on `n` texts, and whoever labels.

    `disagreeing` is the share of texts on which it differs from the dense model; on `neither` of these both are wrong.
    `wrong` labels are mistaken at random; on `doubtful` texts every label is a coin; `flatters` says that both happen
    on lost texts alone. `skipped` labels are missing; `hides` says that they are those of lost texts. Of `members` all
    disagree on similar texts. After the first `stocks - 1` stocks without a certificate another one is bought. `twice`:
    all texts are labelled twice.
    """

    name: str
    n: int = 4000
    disagreeing: float = 0.06
    neither: float = 0.0
    wrong: float = 0.0
    doubtful: float = 0.0
    flatters: bool = False
    skipped: float = 0.0
    hides: bool = False
    members: int = 1
    stocks: int = 1
    twice: bool = False


WORLDS = (
    World("a look after every label"),
    World("few disagreements", disagreeing=0.015),
    World("on one disagreement in four both are wrong", neither=0.25),
    World("a third of the labels skipped", skipped=0.33),
    World("a third of the labels skipped, all of lost texts", skipped=0.33, hides=True),
    World("five members, all at ε", members=5),
    World("one label in ten wrong", wrong=0.1),
    World("one text in five doubtful", doubtful=0.2),
    World("bought again and again, four times", n=1500, stocks=4),
)
UNPROTECTED = (
    World("one label in twenty wrong, of lost texts alone", wrong=0.05, flatters=True),
    World("one label in ten wrong, of lost texts alone", wrong=0.1, flatters=True),
    World("one lost text in five doubtful", doubtful=0.2, flatters=True),
    World("one lost text in five doubtful, 20,000 texts", n=20_000, doubtful=0.2, flatters=True),
)
LABELLED_TWICE = (
    *(world._replace(name=f"{world.name}, all labelled twice", twice=True) for world in UNPROTECTED),
    World("every label right, all labelled twice", twice=True),
)
POWERS = (  # the true drop of a good member, and its world
    (0.0, World("", 15_000, 0.037)),
    (0.0, World("all labelled twice", 15_000, 0.037, twice=True)),
    (0.0, World("all labelled twice, one label in fifty wrong", 15_000, 0.037, wrong=0.02, twice=True)),
    (0.003, World("", 15_000, 0.02)),
    (0.003, World("", 40_000, 0.05)),
    (0.006, World("", 120_000, 0.05)),
)


def false_purchases(world: World, *, repeats: int, seed: int = 0) -> float:
    """Return the share of studies with at least one false certificate by bought labels."""
    rng = np.random.default_rng(seed)
    found = [any(_is_certified(seen) for seen in _members(rng, world)) for _ in range(repeats)]
    return float(np.mean(found))


def labels_needed(drop: float, world: World, *, repeats: int, seed: int = 0) -> tuple[float, float]:
    """Return the share of studies that certify a member of a true `drop`, and the median of the labels it takes."""
    rng, needed = np.random.default_rng(seed), []
    for _ in range(repeats):
        seen = _answered(rng, _disagreements(rng, world, drop), world, world.n)
        reached = np.flatnonzero(log_wealth(seen, EPSILON) >= -math.log(ALPHA))
        needed.append(reached[0] + (seen.checks[: reached[0]] != UNCHECKED).sum() if len(reached) else math.inf)
    return float(np.isfinite(needed).mean()), float(np.median(needed))


def plain_tests(*, n: int = 4000, disagreeing: float = 0.06, repeats: int, seed: int = 0) -> float:
    """Return how often a plain test at 5 % after each of fifteen batches certifies a drop of ε."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(repeats):
        change = rng.choice(
            [1, -1, 0], n, p=[(disagreeing + EPSILON) / 2, (disagreeing - EPSILON) / 2, 1 - disagreeing]
        )
        ends = [part[-1] + 1 for part in np.array_split(np.arange(n), BATCHES)]
        looks = ((change[:end] == 1).sum() for end in ends), ((change[:end] == -1).sum() for end in ends)
        found.append(
            any(paired_drop_p_value(int(b), int(c), e, EPSILON) <= 0.05 for b, c, e in zip(*looks, ends, strict=True))
        )
    return float(np.mean(found))


def _members(rng: np.random.Generator, world: World) -> Iterator[Disagreements]:
    """Yield what the labels say of each member; a sequence certifies none behind one that is not certified."""
    first = _disagreements(rng, world, EPSILON)
    for member in range(world.members):
        own = first if not member else _similar(rng, first, world)
        seen = _answered(rng, own, world, world.n * world.stocks)
        yield seen
        if not _is_certified(seen):
            return


def _is_certified(seen: Disagreements) -> bool:
    return bool(log_wealth(seen, EPSILON).max() >= -math.log(ALPHA))


def _disagreements(rng: np.random.Generator, world: World, drop: float) -> tuple[Ints, Ints]:
    """Return where a member disagrees, and whether it loses (1), gains (-1), or neither."""
    n = world.n * world.stocks
    places = np.flatnonzero(rng.random(n) < world.disagreeing)
    lost, gained = ((1 - world.neither + sign * drop / world.disagreeing) / 2 for sign in (1, -1))
    return places, rng.choice([1, -1, 0], len(places), p=[lost, gained, world.neither])


def _similar(rng: np.random.Generator, first: tuple[Ints, Ints], world: World) -> tuple[Ints, Ints]:
    """Return another member of the same drop that shares half of its disagreements."""
    keep = rng.random(len(first[0])) < 0.5
    fresh = _disagreements(rng, world, EPSILON)
    half = rng.random(len(fresh[0])) < 0.5
    places = np.concatenate([first[0][keep], fresh[0][half]])
    places, at = np.unique(places, return_index=True)
    return places, np.concatenate([first[1][keep], fresh[1][half]])[at]


def _answered(rng: np.random.Generator, truth: tuple[Ints, Ints], world: World, n: int) -> Disagreements:
    """Return what two labels per checked text say of the truth."""
    places, change = truth
    doubtful = rng.random(len(places)) < world.doubtful
    spared = world.flatters & (change != 1)
    turned = [
        np.where(doubtful, rng.random(len(places)) < 0.5, rng.random(len(places)) < world.wrong) & ~spared
        for _ in range(2)
    ]
    outcome = np.where(turned[0], -change, change)
    checks = np.where(turned[0] == turned[1], SAME, DIFFERENT)
    missing = rng.random(len(places)) < world.skipped
    if world.hides:
        missing = (change == 1) & (rng.random(len(places)) < 2 * world.skipped)
    share = np.where(np.arange(len(places)) < CHECKED_CLOSELY, CHECK_FIRST, CHECK_SHARE)
    is_checked = world.twice | (rng.random(len(places)) < share)
    return Disagreements(
        n,
        places,
        np.where(missing, LOST, np.where(outcome == 0, EQUAL, outcome)),
        np.where(is_checked, np.where(missing, DIFFERENT, checks), UNCHECKED),
        all_twice=world.twice,
    )


def tables(repeats: int) -> Iterator[str]:
    """Yield the lines of the tables."""
    yield "\n| bought labels, true drop = ε | a false certificate |\n|---|--:|"
    for world in (*WORLDS, *UNPROTECTED, *LABELLED_TWICE):
        yield f"| {world.name} | {100 * false_purchases(world, repeats=repeats):.1f} % |"
    plain = plain_tests(repeats=repeats)
    yield f"| for comparison: a plain test at 5 % after each of {BATCHES} batches | {100 * plain:.1f} % |"
    yield "\n| true drop | disagreements | texts | certified | labels, median |\n|--:|--:|--:|--:|--:|"
    for drop, world in POWERS:
        power, labels = labels_needed(drop, world, repeats=max(20, repeats // 20))
        what = f"{100 * world.disagreeing:g} %{', ' if world.name else ''}{world.name}"
        yield f"| {drop:g} | {what} | {world.n:,} | {100 * power:.0f} % | {labels:,.0f} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1000, help="studies of each world")
    for line in tables(parser.parse_args().repeats):
        print(line, flush=True)
