"""Stops: how often racing stops a candidate that it promises to spare, over random orders of the search examples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from objectives.racing import CHUNK, Race

EPSILON = 0.01
SIZES = (200, 872, 2000, 10_000)
GAINS = (0, 10, 40)
WRONG = 0.1  # of the dense model's answers


def stopped(n: int, gained: int, *, repeats: int, seed: int = 0) -> float:
    """Return the share of orders in which a candidate is stopped whose drop on all n examples is just within ε."""
    rng = np.random.default_rng(seed)
    lost = gained + int(EPSILON * n)
    scores = np.ones((2, n), dtype=np.int64)  # of the dense model, of the candidate
    scores[1, :lost] = 0
    scores[0, lost : lost + gained] = 0
    found = 0
    for _ in range(repeats):
        race, order = Race(n, EPSILON, gainable=gained), rng.permutation(n)
        parts = (order[start : start + CHUNK] for start in range(0, n, CHUNK))
        found += any(race.update(scores[0, part], scores[1, part]) for part in parts)
    return found / repeats


def stopped_elsewhere(n: int, drop: float, *, discordant: float = 0.04, repeats: int, seed: int = 0) -> float:
    """Return how often a candidate is stopped whose true drop, over all examples there could be, is `drop`."""
    rng, found = np.random.default_rng(seed), 0
    lost, gained = (discordant + drop) / 2, (discordant - drop) / 2
    kinds = np.array([(1, 0), (0, 1), (0, 0), (1, 1)])  # scores of the dense model and of the candidate
    for _ in range(repeats):
        scores = kinds[rng.choice(4, n, p=[lost, gained, WRONG - gained, 1 - WRONG - lost])]
        race = Race(n, EPSILON, gainable=int((scores[:, 0] == 0).sum()))
        parts = (scores[start : start + CHUNK] for start in range(0, n, CHUNK))
        found += any(race.update(part[:, 0], part[:, 1]) for part in parts)
    return found / repeats


def tables(repeats: int) -> Iterator[str]:
    """Yield the lines of the tables."""
    yield f"\n| stopped although within ε on all search examples | {' | '.join(f'n = {n:,}' for n in SIZES)} |"
    yield f"|---|{'--:|' * len(SIZES)}"
    for gained in GAINS:
        cells = [stopped(n, gained, repeats=repeats * 200 // max(n, 200)) for n in SIZES]
        yield f"| {gained} gained examples | {' | '.join(f'{100 * cell:.2f} %' for cell in cells)} |"
    yield "\n| true drop, 872 search examples | stopped |\n|--:|--:|"
    for drop in (0.005, 0.008, 0.01):
        yield f"| {drop:g} | {100 * stopped_elsewhere(872, drop, repeats=repeats // 4):.1f} % |"
