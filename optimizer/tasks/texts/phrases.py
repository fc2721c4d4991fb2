"""`phrases`: a sentiment task that the project generates, so that every step can be tried without a network.

A seeded grammar states opinions of a film. Counting words is not enough: negation turns an opinion around, what stands
behind "but" decides, of two opinions that disagree the stronger one does, and hopes, rumours and promises count for
nothing, however warm their words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

SIZES = {"train": 20_000, "validation": 2_000, "test": 4_000}
SEED = 20_250_101

THINGS = [
    "film",
    "plot",
    "acting",
    "script",
    "music",
    "ending",
    "cast",
    "pacing",
    "dialogue",
    "camera",
    "humour",
    "story",
]
PEOPLE = ["critics", "friends", "posters", "reviewers", "trailers", "neighbours"]
GOOD = [
    "brilliant",
    "charming",
    "clever",
    "moving",
    "funny",
    "fresh",
    "gripping",
    "honest",
    "warm",
    "witty",
    "lovely",
    "superb",
]
BAD = ["dull", "clumsy", "boring", "stale", "hollow", "lazy", "messy", "tedious", "bland", "cold", "silly", "awful"]
WEAK, STRONG = ["slightly", "somewhat", "mildly"], ["extremely", "deeply", "truly"]
NEUTRAL = (
    "it runs for two hours",
    "we saw it on a monday",
    "the hall was half full",
    "it was shot in winter",
    "the tickets were cheap",
    "it opens with a long train ride",
)


@dataclass(frozen=True, slots=True)
class Clause:
    """A stated opinion: its words, and its signed strength (positive is praise)."""

    words: str
    opinion: int


def phrases_tables() -> dict[str, pd.DataFrame]:
    """Return the splits with columns "sentence" and "label" (0 negative, 1 positive), the same everywhere.

    Labels are balanced and no sentence occurs twice, neither within a split nor across them.
    """
    rng = np.random.Generator(np.random.PCG64(SEED))  # by name: the default may change one day
    seen: set[str] = set()
    return {split: _table(rng, size, seen) for split, size in SIZES.items()}


def _table(rng: np.random.Generator, size: int, seen: set[str]) -> pd.DataFrame:
    rows: list[tuple[str, int]] = []
    room = [size // 2, size - size // 2]
    while sum(room):
        clause = SENTENCES[int(rng.integers(len(SENTENCES)))](rng)
        label = int(clause.opinion > 0)
        if room[label] and clause.words not in seen:
            seen.add(clause.words)
            room[label] -= 1
            rows.append((clause.words, label))
    return pd.DataFrame(rows, columns=["sentence", "label"])


def _pick(rng: np.random.Generator, words: list[str] | tuple[str, ...]) -> str:
    return words[int(rng.integers(len(words)))]


def plain(rng: np.random.Generator, *, strength: int | None = None) -> Clause:
    """An opinion of strength 1 (weak) to 3 (strong); a weak or strong one says so."""
    strength = int(rng.integers(1, 4)) if strength is None else strength
    sign = 1 if rng.integers(2) else -1
    degree = {1: _pick(rng, WEAK) + " ", 2: "", 3: _pick(rng, STRONG) + " "}[strength]
    adjective = _pick(rng, GOOD if sign > 0 else BAD)
    return Clause(f"the {_pick(rng, THINGS)} is {degree}{adjective}", sign * strength)


def negated(rng: np.random.Generator) -> Clause:
    """A negated opinion: turned around, and of middle strength."""
    sign = 1 if rng.integers(2) else -1
    adjective = _pick(rng, GOOD if sign > 0 else BAD)
    denial = _pick(rng, ["not", "never", "hardly", "far from", "anything but"])
    return Clause(f"the {_pick(rng, THINGS)} is {denial} {adjective}", -2 * sign)


def doubly_negated(rng: np.random.Generator) -> Clause:
    """A negated negation: the original opinion."""
    inner = negated(rng)
    return Clause(f"nobody can say that {inner.words}", -inner.opinion)


def opinion(rng: np.random.Generator) -> Clause:
    """Any single opinion, half of them turned around in some way."""
    return (plain, plain, negated, negated, doubly_negated)[int(rng.integers(5))](rng)


def hearsay(rng: np.random.Generator) -> str:
    """Words of praise or blame that are not an opinion of this film."""
    adjective = _pick(rng, GOOD + BAD)
    thing = _pick(rng, THINGS)
    return _pick(
        rng,
        (
            f"{_pick(rng, PEOPLE)} promised a {adjective} {thing}",
            f"we had hoped for a {adjective} {thing}",
            f"the {thing} could have been {adjective}",
            f"{_pick(rng, PEOPLE)} called the {thing} {adjective}",
        ),
    )


def contrast(rng: np.random.Generator) -> Clause:
    """Two opinions of which the grammar says which one counts."""
    aside, main = opinion(rng), opinion(rng)
    words = (
        f"{aside.words} but {main.words}",
        f"although {aside.words} , {main.words}",
        f"{main.words} , even though {aside.words}",
    )[int(rng.integers(3))]
    return Clause(words, main.opinion)


def weighed(rng: np.random.Generator) -> Clause:
    """Two opinions side by side, of different strength: the stronger one counts."""
    weak, strong = plain(rng, strength=1), plain(rng, strength=3)
    first, second = (weak, strong) if rng.integers(2) else (strong, weak)
    return Clause(f"{first.words} and {second.words}", strong.opinion)


def distracted(rng: np.random.Generator) -> Clause:
    """An opinion and hearsay, in either order."""
    core = contrast(rng) if rng.integers(3) == 0 else opinion(rng)
    aside = hearsay(rng)
    words = f"{aside} , {core.words}" if rng.integers(2) else f"{core.words} , {aside}"
    return Clause(words, core.opinion)


def padded(rng: np.random.Generator) -> Clause:
    """An opinion and a neutral fact."""
    core = weighed(rng) if rng.integers(2) else opinion(rng)
    fact = _pick(rng, NEUTRAL)
    return Clause(f"{fact} and {core.words}" if rng.integers(2) else f"{core.words} and {fact}", core.opinion)


SENTENCES: tuple[Callable[[np.random.Generator], Clause], ...] = (opinion, contrast, weighed, distracted, padded)
