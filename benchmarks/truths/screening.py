"""Screening: how much better a neighbour looks on the search examples because some of them chose it.

Refinement proposes the neighbour with the least divergence on the first search examples, without their labels. Where
all neighbours are truly alike, that choice is luck alone, and what it gains on these examples is lost on others.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

SEARCHED, SCREENED, NEIGHBOURS = 872, 128, 20
RIGHT, SPREAD = 1.9, 1.5  # of the dense model's margins: right on nine examples in ten


def bias(shift: float, *, neighbours: int = NEIGHBOURS, repeats: int, seed: int = 0) -> tuple[float, float, float]:
    """Return how much lower the chosen neighbour's search drop is than an unchosen one's, its error, and the scatter.

    `shift` is the standard deviation of the change of an example's margin. The scatter is that of the search drop of
    one candidate, with which the bias is to be compared.
    """
    rng, gaps, drops = np.random.default_rng(seed), [], []
    for _ in range(repeats):
        margins = rng.normal(RIGHT, SPREAD, SEARCHED)
        moved = margins + rng.normal(scale=shift, size=(neighbours, SEARCHED))
        confident = 1 / (1 + np.exp(-margins))
        divergence = (confident * (1 - confident) * (moved - margins) ** 2 / 2)[:, :SCREENED].mean(axis=1)
        drop = ((margins > 0) & (moved <= 0)).mean(axis=1) - ((margins <= 0) & (moved > 0)).mean(axis=1)
        gaps.append(drop[divergence.argmin()] - drop.mean())
        drops.append(drop[0])
    return float(np.mean(gaps)), float(np.std(gaps) / np.sqrt(repeats)), float(np.std(drops))


def tables(repeats: int) -> Iterator[str]:
    """Yield the lines of the tables."""
    yield "\n| change of the margins | search drop of the least divergent of 20, against the others | its own scatter |"
    yield "|--:|--:|--:|"
    for shift in (0.3, 0.6, 1.0):
        found, error, scatter = bias(shift, repeats=repeats // 5)
        yield f"| {shift:g} | {100 * found:+.3f} ± {200 * error:.3f} points | {100 * scatter:.2f} points |"
