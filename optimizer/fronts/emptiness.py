"""Emptiness: why a front has no members: the obstacle and the remedy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from studies.records import Candidate, CandidateState

Ratios = Mapping[str, float | None]  # cost -> ratio to the dense model's, None where it was not measured


def why_empty(
    candidates: Sequence[Candidate], within: Sequence[Ratios], *, epsilon: float, limits: Mapping[str, float]
) -> str:
    """Return why no candidate is on a front.

    `epsilon` is infinite for a study without ε. `within` contains, for every candidate whose drop is within it, the
    ratios of objectives and limited costs.
    """
    drops = [c.outcome.drop for c in candidates if c.outcome is not None and c.outcome.drop is not None]
    if not drops:
        return _nothing_evaluated(candidates)
    if not within:
        return (
            f"no candidate has a drop within {epsilon:g}; the smallest drop was {min(drops):.4f}; "
            "allow a larger `epsilon` or more `trials`"
        )
    whose = "candidate" if math.isinf(epsilon) else "candidate within ε"
    measured = [ratios for ratios in within if None not in ratios.values()]
    if not measured:
        unmeasured = sorted({cost for ratios in within for cost, ratio in ratios.items() if ratio is None})
        was = "was" if len(unmeasured) == 1 else "were"
        return f"{' and '.join(unmeasured)} {was} not measured on any {whose}; choose measured costs"
    told = [f"`limits.{c}_ratio` is {limit:g}, the lowest is {_least(measured, c):.4g}" for c, limit in limits.items()]
    return f"no {whose} is within every limit: {'; '.join(told)}"


def _nothing_evaluated(candidates: Sequence[Candidate]) -> str:
    finished = [candidate for candidate in candidates if candidate.state is not CandidateState.RUNNING]
    failed = [c.outcome.reason for c in finished if c.outcome and c.state is CandidateState.FAILED]
    if failed:
        return f"no candidate could be evaluated: {failed[-1]}"
    if finished:
        return f"all {len(finished)} candidates exceeded a cost limit; loosen the limit or allow more `trials`"
    return "no candidate has been evaluated"


def _least(measured: Sequence[Ratios], cost: str) -> float:
    return min(ratio for ratios in measured if (ratio := ratios[cost]) is not None)
