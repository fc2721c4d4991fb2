"""Fronts of a study: the stored candidates within an ε and limits that no other candidate dominates.

A stored study gives fronts for any ε, other objectives and other limits without new measurements.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.certification import stored_list
from optimizer.certify.bought import bought_of
from optimizer.distributions import NAMES
from optimizer.emptiness import why_empty
from optimizer.errors import UnknownNameError
from optimizer.feasible import is_feasible, is_undecided
from optimizer.front import hypervolume, knee, non_dominated
from optimizer.member import FrontResult, Member, corrected_drops, most_accurate
from optimizer.spec import StudySpec
from optimizer.verdicts import judge
from optimizer.views import Measured, member_view
from studies.records import Candidate, Study, Verdict

LEAST_VIOLATING = 3

Limits = Mapping[str, float]  # cost -> upper ratio to the dense model


def front_of(
    study: Study,
    candidates: Sequence[Candidate],
    *,
    epsilon: float | None = None,
    objectives: Sequence[str] | None = None,
    limits: Limits | None = None,
) -> FrontResult:
    """Return the front of the stored candidates at `epsilon` and under `limits`, by default the study's own.

    A study without ε is not cut by a drop: every verified member within the limits may be on its front.
    Up to the study's own ε the front of a verified study is taken from its shortlist: dominance compares measured costs
    and drops on the verification examples, which took no part in choosing the shortlist, though they choose its front.
    Above that ε, or before verification, all evaluated candidates are compared by their drops on the search examples.
    The two kinds of drop are never compared with each other. No member without a certificate takes the place of one
    that has it. A candidate for which an objective or a limited cost was
    not measured is left out. Raises `UnknownNameError` for an objective or a limit that is no cost of the study.
    """
    spec = StudySpec.stored(study.spec)
    _check_costs(spec, objectives=objectives or (), limits=limits or ())
    epsilon = spec.tolerance if epsilon is None else epsilon
    objectives = tuple(objectives or spec.objectives)
    is_final = _is_verified(candidates) and epsilon <= spec.tolerance
    allowed = study_limits(spec) if limits is None else limits

    view = _viewer(study, candidates, epsilon)

    def kept(members: Iterable[Member]) -> list[Member]:
        return [member for member in members if _is_within(member, allowed)]

    pool = [c for c in candidates if _has_drop(c) and (c.shortlisted or not is_final)]
    within = [view(c) for c in pool if is_feasible(c, epsilon)]
    feasible = kept(within)
    axes = Axes(objectives, by_verification=is_final)
    comparable = [member for member in feasible if axes.can_compare(member)]
    on_front = non_dominated(axes.standing_losses(comparable))
    front = sorted((m for m, on in zip(comparable, on_front, strict=True) if on), key=lambda m: m.leanness)
    ratios = [{cost: member.ratio(cost) for cost in (*objectives, *allowed)} for member in within]
    return FrontResult(
        study=study.slug,
        epsilon=None if math.isinf(epsilon) else epsilon,
        objectives=objectives,
        limits=dict(allowed),
        items=tuple(front),
        knee=_knee(front, axes),
        best=_best(front, epsilon),
        hypervolume=_hypervolume(front, axes, epsilon),
        undecided=sum(is_undecided(c, epsilon, spec.tolerance) for c in candidates),
        unverified=sum(member.verdict is Verdict.UNVERIFIED for member in front),
        least_violating=() if feasible else _least_violating(kept(map(view, pool))),
        why_empty=None if front else why_empty(pool or candidates, ratios, epsilon=epsilon, limits=allowed),
    )


def _check_costs(spec: StudySpec, **named: Iterable[str]) -> None:
    for field, names in named.items():
        for name in names:
            if name not in spec.costs:
                raise UnknownNameError(field, name, spec.costs)


@dataclass(frozen=True)
class Axes:
    """The coordinates that dominance compares: the drop, then each cost as a ratio to the dense model's."""

    objectives: Sequence[str]
    by_verification: bool

    def can_compare(self, member: Member) -> bool:
        """Whether all of the member's coordinates were measured."""
        return None not in self._coordinates(member)

    def losses(self, members: Sequence[Member]) -> NDArray[np.float64]:
        """Return the members' coordinates, lower is better: `(n, 1 + costs)`."""
        rows = [self._coordinates(member) for member in members]
        return np.array(rows, dtype=np.float64).reshape(len(members), 1 + len(self.objectives))

    def standing_losses(self, members: Sequence[Member]) -> NDArray[np.float64]:
        """Return `losses` with a column that is 0 for certified members and 1 for others: `(n, 2 + costs)`.

        By it a certified member leaves the front to another certified one alone: an observed drop that is smaller, and
        may be luck, says less than a certificate.
        """
        standing = [member.verdict is not Verdict.CERTIFIED for member in members]
        return np.column_stack([self.losses(members), np.array(standing, dtype=np.float64)])

    def corrected_losses(self, members: Sequence[Member]) -> NDArray[np.float64]:
        """Return `losses` with verified drops corrected for luck, where every member's is known."""
        losses = self.losses(members)
        corrected = corrected_drops(members) if self.by_verification else None
        if corrected is not None:
            losses[:, 0] = corrected
        return losses

    def _coordinates(self, member: Member) -> list[float | None]:
        verified = member.verification.drop if member.verification else None
        drop = verified if self.by_verification else member.drop
        return [drop, *(member.ratio(cost) for cost in self.objectives)]


def study_limits(spec: StudySpec) -> Limits:
    """Return the spec's own limits by cost."""
    return {name.removesuffix("_ratio"): limit for name, limit in spec.limits.model_dump().items() if limit}


def _is_within(member: Member, limits: Limits) -> bool:
    """Whether every limited cost was measured and is within its limit."""
    ratios = {cost: member.ratio(cost) for cost in limits}
    return all(ratio is not None and ratio <= limits[cost] for cost, ratio in ratios.items())


def _knee(front: Sequence[Member], axes: Axes) -> int | None:
    """Return the knee's candidate number, chosen among members that verification did not refute if there are any.

    Drops corrected for luck choose it: by observed ones the knee would be the luckiest member.
    """
    standing = [member for member in front if member.verdict is not Verdict.REFUTED] or list(front)
    return standing[knee(axes.corrected_losses(standing))].candidate if standing else None


def _best(front: Sequence[Member], epsilon: float) -> int | None:
    """Return, without an ε, the candidate number of the member with the smallest drop on the search examples."""
    best = most_accurate(front) if math.isinf(epsilon) else None
    return None if best is None else best.candidate


def _hypervolume(front: Sequence[Member], axes: Axes, epsilon: float) -> float | None:
    """Return the exact hypervolume of (drop / ε, cost ratios) up to the reference point of all ones.

    None for ε = 0 and without an ε, where drops have no scale.
    """
    if epsilon == 0 or math.isinf(epsilon):
        return None
    losses = axes.losses(front)
    losses[:, 0] /= epsilon
    return hypervolume(losses, np.ones(losses.shape[1]))


def _is_verified(candidates: Sequence[Candidate]) -> bool:
    shortlist = [candidate for candidate in candidates if candidate.shortlisted]
    return bool(shortlist) and all(candidate.verification for candidate in shortlist)


def _has_drop(candidate: Candidate) -> bool:
    return candidate.outcome is not None and candidate.outcome.drop is not None


def _viewer(study: Study, candidates: Sequence[Candidate], epsilon: float) -> Callable[[Candidate], Member]:
    """Return a function that gives the view of a candidate with a drop or an estimate of it, judged at `epsilon`."""
    metric, baseline = study.context["metric"], Measured(study.baseline)
    listed = stored_list(study)
    members = listed.members if listed else ()
    tried = [c for c in candidates if c.shortlisted or c.number in members]
    judgements = judge(tried, epsilon, listed, bought_of(study))
    names = study.context.get(NAMES, {})
    return lambda candidate: member_view(
        candidate, baseline, metric, judgements.get(candidate.number), distributions=names
    )


def members_of(study: Study, candidates: Sequence[Candidate]) -> list[Member]:
    """Return the views of all evaluated candidates, judged at the study's own ε."""
    spec = StudySpec.stored(study.spec)
    return [*map(_viewer(study, candidates, spec.tolerance), filter(_has_drop, candidates))]


def _least_violating(members: Sequence[Member]) -> tuple[Member, ...]:
    return tuple(sorted(members, key=lambda member: member.drop or 0.0)[:LEAST_VIOLATING])
