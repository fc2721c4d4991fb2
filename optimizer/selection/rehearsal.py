"""Rehearsals: how the verification of some candidates may end, as far as the search's own figures tell.

A drop on the search examples is no fair guess of the true one: candidates were chosen by it. What all of a study's
candidates lost at their cost and divergence says more, and is the better part of the guess here; trained ones have a
level of their own. Chances to pass go together, since candidates err on similar examples and share what is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectives.statistics import Observed, predicted_drops
from optimizer.selection.shortlist import divergence_of
from optimizer.selection.shrunken import observed, on_search
from studies.records import Candidate, Origin

DRAWS = 1000
TINY = 1e-12  # divergence, where all candidates answer as the dense model does
Floats = NDArray[np.float64]
Passes = NDArray[np.bool_]


class Shown(NamedTuple):
    """What a search shows of `k` candidates."""

    drops: Observed  # on the search examples
    saved: Floats  # share of the dense model's cost
    divergences: Floats  # from the dense model's answers
    trained: Floats  # 1 or 0


def passing(shown: Shown, places: NDArray[np.int64], *, epsilon: float, alpha: float, examples: int) -> Passes:
    """Return which of the candidates at `places` pass in `(DRAWS, m)` verifications that a search makes likely."""
    saved, far = shown.saved, np.sqrt(shown.divergences / max(shown.divergences.max(), TINY))
    found = predicted_drops(
        shown.drops,
        places,
        np.column_stack([np.ones(len(saved)), saved, saved**2, shown.trained, far]),
        np.column_stack([np.maximum(saved, 0), far]),
    )
    errors = NormalDist().inv_cdf(1 - alpha) * np.sqrt(found.variances / examples)
    return found.observed(examples, draws=DRAWS) + errors <= epsilon


def rehearse(
    candidates: Sequence[Candidate],
    members: Sequence[Candidate],
    *,
    cost_of: Callable[[Candidate], float],
    epsilon: float,
    alpha: float,
    examples: int,
) -> Passes:
    """Return which `members` pass at `epsilon` in `(DRAWS, m)` verifications that all `candidates` make likely.

    A member without a drop on all search examples passes in none.
    """
    known = [(c, drop) for c in candidates if (drop := on_search(c)) is not None]
    place_of = {c.id: place for place, (c, _) in enumerate(known)}
    judged = [at for at, member in enumerate(members) if member.id in place_of]
    passes = np.zeros((DRAWS, len(members)), dtype=bool)
    if judged:
        shown = Shown(
            observed([drop for _, drop in known]),
            saved=np.array([1 - cost_of(c) for c, _ in known]),
            divergences=np.array([max(divergence_of(c), 0.0) for c, _ in known]),
            trained=np.array([c.proposal.origin is Origin.RECOVER for c, _ in known], dtype=np.float64),
        )
        places = np.array([place_of[members[at].id] for at in judged])
        passes[:, judged] = passing(shown, places, epsilon=epsilon, alpha=alpha, examples=examples)
    return passes
