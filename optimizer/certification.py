"""The certification list: the shortlisted members that may be certified, in the order in which they are tried.

It is fixed from search figures alone, before any verification example is used, and stored with the study. Its members
are tested in order without a correction; the first that fails ends the sequence. So one false certificate in a whole
study has a chance of at most 5 %, and the most costly member comes first because it fails least.

A study without ε has a list of its whole shortlist. Its members are not tested: their drops get intervals, and at an ε
that is asked later bounds, which hold for all of them together.

The 5 % are a study's whole budget of error. Where labels can be bought later, its spec keeps a part for them, and the
list is tested at the rest.

References: Maurer, Hothorn & Lehmacher 1995 (fixed-sequence testing); Angelopoulos et al. 2021, Learn then Test,
https://arxiv.org/abs/2110.01052.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from objectives.metrics import Metric
from objectives.statistics.power import ALPHA
from optimizer.shortlist import standard_error
from optimizer.spec import StudySpec
from studies.records import Candidate, Origin, Study

RULE = "fixed-sequence"
TOGETHER = "simultaneous"  # of a study without ε
BUYABLE = "accuracy"  # of the metrics that count right answers, the one whose labels are classes, as those asked are
MARGIN = 2  # standard errors
_STORED = "certification"  # in a study's context


@dataclass(frozen=True, slots=True)
class CertificationList:
    """Candidate numbers in the order of testing, the ε for which the order was fixed, and the error of the sequence.

    Without an ε the order means nothing.
    """

    epsilon: float | None
    members: tuple[int, ...]
    rule: str = RULE
    alpha: float = ALPHA

    @property
    def interval_level(self) -> float:
        """The level of each member's interval: 95 % for itself; without an ε, 95 % for all members together."""
        return 1 - ALPHA / (len(self.members) if self.epsilon is None else 1)

    def in_context(self) -> Mapping[str, Any]:
        """Return the entry of a study's context."""
        return {_STORED: {**asdict(self), "members": list(self.members)}}


def stored_list(study: Study) -> CertificationList | None:
    """Return a study's list. Studies verified before there were lists have none: they keep Holm's correction."""
    found = study.context.get(_STORED)
    return found and CertificationList(**{**found, "members": tuple(found["members"])})


def verification_alpha(spec: StudySpec, metric: Metric) -> float:
    """Return the part of the 5 % that verification may spend: all where bought labels are of no use to the metric."""
    return round(ALPHA - (spec.label_error if metric.name == BUYABLE else 0), 12)


def with_shortlist(
    known: CertificationList | None,
    shortlist: Sequence[Candidate],
    *,
    cost_of: Callable[[Candidate], float],
    epsilon: float | None,
    alpha: float = ALPHA,
) -> CertificationList:
    """Return the list for a new shortlist: what is `known` stays as it is, and new members follow it."""
    rule, listed = (TOGETHER, shortlist) if epsilon is None else (RULE, in_sequence(shortlist, cost_of))
    before = known.members if known else ()
    known = known or CertificationList(epsilon, (), rule=rule, alpha=alpha)
    return replace(known, members=(*before, *(c.number for c in listed if c.number not in before)))


def in_sequence(shortlist: Sequence[Candidate], cost_of: Callable[[Candidate], float]) -> list[Candidate]:
    """Return the members of a shortlist that no other clearly beats, most costly first.

    A member is beaten by one of at most its cost whose predicted drop is smaller by more than two standard errors.
    Without that margin a lucky lean member would push out the safe ones that a sequence has to begin with.

    Where members were recovered by training, they alone are listed, behind the safest of the more costly ones that were
    not. A lean unrecovered one would end their sequence; without a safe first step a study often certifies nothing.
    """
    recovered = [c for c in shortlist if c.proposal.origin is Origin.RECOVER]
    tried = recovered or shortlist
    points = [(cost_of(candidate), _predicted(candidate), _error(candidate)) for candidate in tried]
    listed = [c for c, point in zip(tried, points, strict=True) if not any(_beats(p, point) for p in points)]
    first = _first_step(shortlist, recovered, cost_of) if recovered else []
    return [*first, *sorted(listed, key=lambda c: (-cost_of(c), c.number))]


def _first_step(
    shortlist: Sequence[Candidate], recovered: Sequence[Candidate], cost_of: Callable[[Candidate], float]
) -> list[Candidate]:
    """Return the one, of those that cost more than all recovered, whose drop is smallest with two standard errors."""
    above = max(map(cost_of, recovered))
    costly = [c for c in shortlist if c.proposal.origin is not Origin.RECOVER and cost_of(c) > above]
    return sorted(costly, key=lambda c: (_predicted(c) + MARGIN * _error(c), c.number))[:1]


_Point = tuple[float, float, float]  # cost, predicted drop, its standard error


def _beats(one: _Point, other: _Point) -> bool:
    margin = MARGIN * max(one[2], other[2])
    return one[0] <= other[0] and one[1] + margin <= other[1] and one[:2] != other[:2]


def _predicted(candidate: Candidate) -> float:
    """Return the drop on the search examples."""
    outcome = candidate.outcome
    return float("inf") if outcome is None or outcome.drop is None else outcome.drop


def _error(candidate: Candidate) -> float:
    """Return the standard error of the predicted drop: counted, or read from the width of its interval."""
    interval = next((m.interval for m in candidate.measurements if m.quantity == "drop"), None)
    read = 0.0 if interval is None else (interval.upper - interval.lower) / (2 * 1.96)
    return standard_error(candidate.outcome) or read
