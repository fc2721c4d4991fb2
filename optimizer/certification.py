"""The certification list: the shortlisted members that may be certified, in the order in which they are tried.

It is fixed from search figures alone, before any verification example is used, and stored with the study. Its members
are tested in order at 5 % without a correction; the first that fails ends the sequence. So one false certificate in a
whole study has a chance of at most 5 %, and the most costly member comes first because it fails least.

References: Maurer, Hothorn & Lehmacher 1995 (fixed-sequence testing); Angelopoulos et al. 2021, Learn then Test,
https://arxiv.org/abs/2110.01052.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from studies.records import Candidate, Study

RULE = "fixed-sequence"
_STORED = "certification"  # in a study's context


@dataclass(frozen=True, slots=True)
class CertificationList:
    """Candidate numbers in the order of testing, and the ε for which the order was fixed."""

    epsilon: float
    members: tuple[int, ...]
    rule: str = RULE

    def in_context(self) -> Mapping[str, Any]:
        """Return the entry of a study's context."""
        return {_STORED: {**asdict(self), "members": list(self.members)}}


def stored_list(study: Study) -> CertificationList | None:
    """Return a study's list. Studies verified before there were lists have none: they keep Holm's correction."""
    found = study.context.get(_STORED)
    return found and CertificationList(found["epsilon"], tuple(found["members"]), found["rule"])


def with_shortlist(
    known: CertificationList | None,
    shortlist: Sequence[Candidate],
    *,
    cost_of: Callable[[Candidate], float],
    epsilon: float,
) -> CertificationList:
    """Return the list for a new shortlist: what is `known` stays as it is, and new members follow it."""
    before = known.members if known else ()
    added = [c.number for c in in_sequence(shortlist, cost_of) if c.number not in before]
    return CertificationList(known.epsilon if known else epsilon, (*before, *added))


def in_sequence(shortlist: Sequence[Candidate], cost_of: Callable[[Candidate], float]) -> list[Candidate]:
    """Return the members of a shortlist that no other dominates in cost and predicted drop, most costly first."""
    points = {c.number: (cost_of(c), _predicted(c)) for c in shortlist}
    listed = [c for c in shortlist if not any(_dominates(point, points[c.number]) for point in points.values())]
    return sorted(listed, key=lambda c: (-points[c.number][0], c.number))


def _dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] <= other[0] and one[1] <= other[1]


def _predicted(candidate: Candidate) -> float:
    """Return the drop on the search examples."""
    outcome = candidate.outcome
    return float("inf") if outcome is None or outcome.drop is None else outcome.drop
