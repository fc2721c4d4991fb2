"""The shortlist: the few candidates to verify, fixed before any verification example is used.

Up to half of the places go to the feasible candidates that make the best certification list, the others to candidates
on or near the front, spread over every cost that counts. Within each stretch of a cost the candidate most likely to be
verified comes first: one whose drop is a standard error inside ε, then the one with the smaller divergence, which is
measured without labels. Allocation and refinement minimise that divergence, so it is not free of selection either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from studies.records import Candidate, Outcome

SIZE = 10
WHERE_NONE_IS_FEASIBLE = 3  # verified nevertheless, so that the result has figures
CostOf = Callable[[Candidate], float]  # as a ratio to the dense model's


def choose_shortlist(
    candidates: Sequence[Candidate],
    *,
    is_feasible: Callable[[Candidate], bool],
    costs_of: Sequence[CostOf],
    epsilon: float,
    settled: Sequence[Candidate] = (),
) -> list[Candidate]:
    """Return at most `SIZE` candidates, cheapest first by the first cost; if none is feasible, the nearest to feasible.

    Feasible ones that are `settled` have their places; the costs share the others. `epsilon` is infinite for a study
    without ε. Half of its places go to the smallest drops, wherever they are.
    """
    feasible = [c for c in candidates if is_feasible(c)]
    if not feasible:
        seen = [c for c in candidates if c.outcome is not None and c.outcome.drop is not None]
        return sorted(seen, key=_drop)[:WHERE_NONE_IS_FEASIBLE]
    is_cut = math.isfinite(epsilon)
    left = [c for c in feasible if c not in settled]
    spread = _spread(left, costs_of, epsilon, places=SIZE - len(settled) if is_cut else SIZE // 2)
    chosen = [*settled, *spread]
    rest = sorted(
        (c for c in feasible if c not in chosen),
        key=lambda c: (
            (not _is_safe(c, epsilon), math.prod(cost_of(c) for cost_of in costs_of))
            if is_cut
            else (_drop(c), divergence_of(c))
        ),
    )
    return sorted([*chosen, *rest[: SIZE - len(chosen)]], key=costs_of[0])


def _spread(
    feasible: Sequence[Candidate], costs_of: Sequence[CostOf], epsilon: float, *, places: int
) -> list[Candidate]:
    """Return the candidates of so many places, of which every cost gets its share, the first ones one more."""
    chosen: list[Candidate] = []
    top = 1.0 if math.isfinite(epsilon) else 0.0
    for turn, cost_of in enumerate(costs_of):
        share = places // len(costs_of) + (turn < places % len(costs_of))
        left = [c for c in feasible if c not in chosen]
        stretches = _stretches(left, cost_of, top=top, places=share) if left and share else []
        chosen += [min(each, key=partial(_by_chance, epsilon=epsilon)) for each in stretches]
    return chosen


def standard_error(outcome: Outcome | None) -> float:
    """Return the standard error of the drop on the search examples; 0 where it is unknown.

    It is that of a paired difference of proportions: sqrt(lost + gained − (lost − gained)²/n) / n.
    """
    if outcome is None or outcome.lost is None or outcome.gained is None or not outcome.seen:
        return 0.0
    lost, gained, n = outcome.lost, outcome.gained, outcome.seen
    return float(np.sqrt(max(0.0, lost + gained - (lost - gained) ** 2 / n))) / n


def _stretches(feasible: Sequence[Candidate], cost_of: CostOf, *, top: float, places: int) -> list[list[Candidate]]:
    """Cut the span from the cheapest feasible candidate to `top` or the most costly one into stretches of equal ratio.

    The cheap end gets most of the places: its candidates save most and are most likely to be refuted.
    """
    prices = np.array([cost_of(candidate) for candidate in feasible])
    edges = np.geomspace(prices.min(), max(top, prices.max()), places + 1)[1:-1]
    found = np.searchsorted(edges, prices, side="right")
    return [[c for c, at in zip(feasible, found, strict=True) if at == place] for place in sorted(set(found))]


def _by_chance(candidate: Candidate, epsilon: float) -> tuple[bool, float, int]:
    """Return what the candidates most likely to be verified have least of."""
    return not _is_safe(candidate, epsilon), divergence_of(candidate), candidate.number


def _is_safe(candidate: Candidate, epsilon: float) -> bool:
    return _drop(candidate) + standard_error(candidate.outcome) <= epsilon


def divergence_of(candidate: Candidate) -> float:
    """Return the divergence of a candidate's answers from the dense model's; 0 where it is unknown."""
    return next((m.value for m in candidate.measurements if m.quantity == "divergence"), 0.0)


def _drop(candidate: Candidate) -> float:
    if candidate.outcome is None or candidate.outcome.drop is None:
        raise ValueError(f"candidate {candidate.number} has no drop")
    return candidate.outcome.drop
