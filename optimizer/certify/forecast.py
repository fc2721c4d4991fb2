"""Forecast: about how many more labels certify a member, if they fall as they did before."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from objectives.statistics.bought import (
    AGREED,
    AGREED_TWICE,
    DOUBLE_LOSS,
    EQUAL,
    GAINED,
    KINDS,
    LOST,
    SAME,
    UNCHECKED,
    kind_of,
    kind_twice,
    log_wealth_after,
)
from optimizer.certify.sequence import disagreements_of, disputed_by, first_plan
from studies.purchases import SKIPPED, Answer, Purchase
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
    given = [_is_labelled(text.answer, twice=seen.all_twice) for text in disputed_by(member, purchases)]
    done = given.index(False) if False in given else len(given)  # up to the first text without a label
    falls = {kind: float((seen.counted[given] == kind).sum()) for kind in (LOST, GAINED, EQUAL, DOUBLE_LOSS)}
    if verification is not None:
        falls[LOST] += verification.lost or 0
        falls[GAINED] += verification.gained or 0
    more = np.geomspace(1, FURTHEST * seen.n, STEPS)
    expected = _expected_twice(share, falls) if seen.all_twice else _expected(share, falls, plan.check_share)
    counts = seen.counts[done] + more[:, None] * expected
    reached = np.flatnonzero(log_wealth_after(counts, plan.epsilon) >= -math.log(plan.alpha))
    return math.ceil(more[reached[0]] * share) * (1 + seen.all_twice) if len(reached) else None


def _is_labelled(answer: Answer, *, twice: bool) -> bool:
    return not {answer.label, answer.again if twice else answer.label} & {None, SKIPPED}


def _expected(share: float, falls: dict[int, float], checked: float) -> NDArray[np.float64]:
    """Return how many texts of each kind one more text is expected to be: `(KINDS,)`."""
    kinds = np.zeros(KINDS)
    kinds[AGREED] = 1 - share
    for kind, count in falls.items():
        part = share * count / max(sum(falls.values()), 1)
        kinds[kind_of(kind, UNCHECKED)] += part * (1 - checked)
        kinds[kind_of(kind, SAME)] += part * checked
    return kinds


def _expected_twice(share: float, falls: dict[int, float]) -> NDArray[np.float64]:
    """Return the same where all texts are labelled twice."""
    kinds = np.zeros(KINDS)
    kinds[AGREED_TWICE] = 1 - share
    for kind, count in falls.items():
        kinds[kind_twice(kind)] = share * count / max(sum(falls.values()), 1)
    return kinds
