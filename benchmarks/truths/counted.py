"""Certificates, intervals and power of accuracy, by exact enumeration of what n examples can show.

A sample has `lost` and `gained` examples. For every number of gained ones there is a greatest number of lost ones that
certifies; the probability of all certifying samples is a sum of binomials, without any simulation.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import binom, norm

from objectives.statistics import paired_drop_p_value
from objectives.statistics.power import ALPHA

SIZES = (50, 200, 600, 2000, 10_000)
DROPS = (0.0, 0.002, 0.01, 0.03, 0.1)
GAINS = (0.0, 0.002, 0.01, 0.05, 0.2)
COPIES = (1, 2, 3, 5)
POWER = 0.8
_NEGLIGIBLE = 1e-9  # probability of the samples that are left out


def certified(n: int, drop: float, gains: float, epsilon: float, *, alpha: float = ALPHA) -> float:
    """Return the probability that n examples certify `epsilon` where the true drop and the rate of gains are these."""
    low, high = (int(binom.ppf(q, n, gains)) for q in (_NEGLIGIBLE, 1 - _NEGLIGIBLE))
    gained = np.arange(max(low, 0), min(high, n) + 1)
    most = np.array([_most_lost(int(each), n, epsilon, alpha) for each in gained])
    losses = min((gains + drop) / (1 - gains), 1.0)
    return float(binom.pmf(gained, n, gains) @ binom.cdf(most, n - gained, losses))


def covered(n: int, drop: float, gains: float, *, level: float = 0.95) -> float:
    """Return the probability that the two-sided interval of the drop holds the true one."""
    tail = (1 - level) / 2
    too_low = certified(n, drop, gains, drop, alpha=tail)
    too_high = certified(n, -drop, gains + drop, -drop, alpha=tail)  # a loss of one model is the other's gain
    return 1 - too_low - too_high


def certified_with_copies(n: int, drop: float, gains: float, copies: int, *, repeats: int) -> float:
    """Return how often a true drop of ε would be certified if n rows were `copies` of every text, each counted."""
    rng, texts = np.random.default_rng(0), n // copies
    counts = rng.multinomial(texts, [gains + drop, gains, 1 - 2 * gains - drop], repeats) * copies
    kinds, repeated = np.unique(counts[:, :2], axis=0, return_counts=True)
    p_values = np.array([paired_drop_p_value(int(b), int(c), n, drop) for b, c in kinds])
    return float(repeated[p_values <= ALPHA].sum() / repeats)


def needed(gains: float, epsilon: float) -> tuple[int, int]:
    """Return the n at which a member of true drop 0 is certified in 80 %, and that of a z test of known variance."""
    known = int(np.ceil((norm.ppf(1 - ALPHA) + norm.ppf(POWER)) ** 2 * 2 * gains / epsilon**2))
    refused, enough = 1, 8 * known
    while enough - refused > max(1, known // 200):
        middle = (refused + enough) // 2
        reached = certified(middle, 0.0, gains, epsilon) >= POWER
        refused, enough = (refused, middle) if reached else (middle, enough)
    return enough, known


def tables(repeats: int) -> Iterator[str]:
    """Yield the lines of the tables."""
    yield f"\n| accuracy, exactly | {' | '.join(f'n = {n:,}' for n in SIZES)} |"
    yield f"|---|{'--:|' * len(SIZES)}"
    worlds = [(drop, gains) for drop in DROPS for gains in GAINS if drop or gains]
    cells = [max(certified(n, drop, gains, drop) for drop, gains in worlds) for n in SIZES]
    yield f"| false certificates at a true drop of ε, most | {_row(cells)} |"
    cells = [min(covered(n, drop, gains) for drop, gains in worlds) for n in SIZES]
    yield f"| 95 % interval holds the true drop, least | {_row(cells)} |"
    yield f"\n| texts that stand several times in 1,800 rows | {' | '.join(f'{k} times' for k in COPIES)} |"
    yield f"|---|{'--:|' * len(COPIES)}"
    cells = [certified_with_copies(1800, 0.01, 0.01, copies, repeats=repeats) for copies in COPIES]
    yield f"| false certificates if every row counted | {_row(cells)} |"
    cells = [certified(1800 // copies, 0.01, 0.01, 0.01) for copies in COPIES]
    yield f"| every text counted once, as it is | {_row(cells)} |"
    yield "\n| true drop 0, discordant | ε | n for 80 % power | z test, known variance | ratio |\n|--:|--:|--:|--:|--:|"
    for gains in (0.005, 0.015, 0.03):
        for epsilon in (0.005, 0.01, 0.02):
            enough, known = needed(gains, epsilon)
            yield f"| {200 * gains:g} % | {epsilon:g} | {enough:,} | {known:,} | {enough / known:.2f} |"


def _row(shares: list[float]) -> str:
    return " | ".join(f"{100 * share:.1f} %" for share in shares)


def _most_lost(gained: int, n: int, epsilon: float, alpha: float) -> int:
    """Return the most lost examples that certify beside `gained` ones, -1 where none do."""
    certifies, refused = -1, n - gained + 1
    while refused - certifies > 1:
        middle = (certifies + refused) // 2
        is_within = paired_drop_p_value(middle, gained, n, epsilon) <= alpha
        certifies, refused = (middle, refused) if is_within else (certifies, middle)
    return certifies
