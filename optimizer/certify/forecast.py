"""Forecast: about how many more labels certify a member, if they fall as they did before."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from objectives.statistics.bought import AGREED, EQUAL, GAINED, LOST, SAME, UNCHECKED, kind_of, log_wealth_after
from optimizer.certify.sequence import disagreements_of, disputed_by, first_plan
from studies.purchases import SKIPPED, Purchase
from studies.records import Verification

FURTHEST = 50  # times the texts there are: no forecast reaches beyond
STEPS = 400


def labels_needed(purchases: Sequence[Purchase], member: int, verification: Verification | None) -> int | None:
    """Return about how many more labels certify a member; None where they hardly ever would.

    Losses and gains of its verification count as well, for the forecast alone.
    """
    seen = disagreements_of(member, purchases)
    plan = first_plan(member, purchases)
    share = len(seen.places) / seen.n
    given = [text.answer.label not in (None, SKIPPED) for text in disputed_by(member, purchases)]
    done = given.index(False) if False in given else len(given)  # up to the first text without a label
    falls = {kind: float((seen.outcomes[given] == kind).sum()) for kind in (LOST, GAINED, EQUAL)}
    if verification is not None:
        falls[LOST] += verification.lost or 0
        falls[GAINED] += verification.gained or 0
    more = np.geomspace(1, FURTHEST * seen.n, STEPS)
    counts = seen.counts[done] + more[:, None] * _expected(share, falls, plan.check_share)
    reached = np.flatnonzero(log_wealth_after(counts, plan.epsilon) >= -math.log(plan.alpha))
    return math.ceil(more[reached[0]] * share) if len(reached) else None


def _expected(share: float, falls: dict[int, float], checked: float) -> NDArray[np.float64]:
    """Return how many texts of each kind one more text is expected to be: `(10,)`."""
    kinds = np.zeros(10)
    kinds[AGREED] = 1 - share
    for kind, count in falls.items():
        part = share * count / max(sum(falls.values()), 1)
        kinds[kind_of(kind, UNCHECKED)] += part * (1 - checked)
        kinds[kind_of(kind, SAME)] += part * checked
    return kinds
