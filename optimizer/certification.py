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

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from statistics import NormalDist
from typing import Any

from objectives.metrics import Metric
from objectives.statistics.power import ALPHA
from optimizer.shortlist import standard_error
from optimizer.spec import StudySpec
from studies.records import Candidate, Origin, Study

RULE = "fixed-sequence"
TOGETHER = "simultaneous"  # of a study without ε
BUYABLE = "accuracy"  # of the metrics that count right answers, the one whose labels are classes, as those asked are
LIKELY = 0.8  # chance to pass
_STORED = "certification"  # in a study's context
_NORMAL = NormalDist()
_Point = tuple[float, float]  # cost, chance to pass
NumberOf = Callable[[Candidate], float]


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
    cost_of: NumberOf,
    epsilon: float | None,
    examples: int,
    alpha: float = ALPHA,
) -> CertificationList:
    """Return the list for a new shortlist: what is `known` stays as it is, and new members follow it.

    `examples` is the number of those that will verify.
    """
    if epsilon is None:
        rule, listed = TOGETHER, shortlist
    else:
        chance = partial(chance_to_pass, epsilon=epsilon, alpha=alpha, examples=examples)
        rule, listed = RULE, in_sequence(shortlist, cost_of, chance)
    before = known.members if known else ()
    known = known or CertificationList(epsilon, (), rule=rule, alpha=alpha)
    return replace(known, members=(*before, *(c.number for c in listed if c.number not in before)))


def in_sequence(shortlist: Sequence[Candidate], cost_of: NumberOf, chance_of: NumberOf) -> list[Candidate]:
    """Return the members of a shortlist that are worth a step of the sequence, most costly first.

    One that no cheaper one beats in its chance to pass is, and so is one that is `LIKELY` to: a fallback for cheaper
    ones that only seem better. Any other could end the sequence before a better one at less cost.

    Where members were recovered by training, they alone are listed, behind the one of the more costly others that is
    most likely to pass. A lean unrecovered one would end their sequence; without a safe first step a study often
    certifies nothing.
    """
    recovered = [c for c in shortlist if c.proposal.origin is Origin.RECOVER]
    tried = recovered or shortlist
    points = [(cost_of(candidate), chance_of(candidate)) for candidate in tried]
    listed = [c for c, point in zip(tried, points, strict=True) if _is_worth_a_step(point, points)]
    above = max(map(cost_of, recovered), default=math.inf)
    costlier = [c for c in shortlist if c.proposal.origin is not Origin.RECOVER and cost_of(c) > above]
    first = sorted(costlier, key=lambda c: (-chance_of(c), c.number))[:1]
    return [*first, *sorted(listed, key=lambda c: (-cost_of(c), c.number))]


def chance_to_pass(candidate: Candidate, *, epsilon: float, alpha: float, examples: int) -> float:
    """Return the chance that so many verification examples certify a candidate, by its drop on the search examples.

    That drop is taken as an estimate without a bias: a choice among many makes it too small, and the more so the larger
    its error. Drops are normal here; a candidate without a drop has no chance.
    """
    outcome = candidate.outcome
    if outcome is None or outcome.drop is None:
        return 0.0
    error = max(_error(candidate), 1 / outcome.seen if outcome.seen else 0.0)
    there = error * math.sqrt(outcome.seen / examples)
    room = epsilon - _NORMAL.inv_cdf(1 - alpha) * there - outcome.drop
    return _NORMAL.cdf(room / math.hypot(error, there)) if error else float(room >= 0)


def _is_worth_a_step(point: _Point, points: Sequence[_Point]) -> bool:
    cost, chance = point
    return chance >= LIKELY or not any(other < cost and at >= chance for other, at in points)


def _error(candidate: Candidate) -> float:
    """Return the standard error of the predicted drop: counted, or read from the width of its interval."""
    interval = next((m.interval for m in candidate.measurements if m.quantity == "drop"), None)
    read = 0.0 if interval is None else (interval.upper - interval.lower) / (2 * 1.96)
    return standard_error(candidate.outcome) or read
