"""Fronts of a study: the stored candidates within an ε and limits that no other candidate dominates.

A stored study gives fronts for any ε, other objectives and other limits without new measurements.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from optimizer.errors import UnknownNameError
from optimizer.fields.distributions import NAMES
from optimizer.fronts.bought import bought_of
from optimizer.fronts.emptiness import why_empty
from optimizer.fronts.front import hypervolume, knee
from optimizer.fronts.standings import Limits, Standings
from optimizer.fronts.verdicts import Judgement, judge
from optimizer.fronts.views import Measured, guest_views, member_view
from optimizer.selection.certification import stored_list
from optimizer.selection.feasible import is_feasible, is_undecided
from optimizer.spec import StudySpec
from optimizer.views.member import Compressed, FrontResult, Member, corrected_drops, most_accurate
from studies.records import Candidate, Study, Verdict

LEAST_VIOLATING = 3


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

    baseline, judgements = Measured(study.baseline), _judgements(study, candidates, epsilon)
    view, costs = _viewer(study, judgements), tuple(dict.fromkeys([*objectives, *allowed]))
    stand = partial(Standings.of, costs=costs, baseline=baseline, judgements=judgements, by_verification=is_final)
    among = [c for c in candidates if c.shortlisted] if is_final else candidates
    within = stand([c for c in among if is_feasible(c, epsilon)])
    feasible = within.within(allowed)
    front = sorted(map(view, feasible.leading(objectives)), key=lambda member: member.leanness)
    pool = [] if front else [*filter(_has_drop, among)]
    axes = Axes(objectives, by_verification=is_final)
    return FrontResult(
        study=study.slug,
        epsilon=None if math.isinf(epsilon) else epsilon,
        objectives=objectives,
        limits=dict(allowed),
        items=tuple(front),
        knee=_knee(front, axes),
        best=_best(front, epsilon),
        hypervolume=_hypervolume(front, axes, epsilon),
        undecided=sum(is_undecided(c, epsilon, spec.tolerance) for c in candidates) if epsilon > spec.tolerance else 0,
        unverified=sum(member.verdict is Verdict.UNVERIFIED for member in front),
        least_violating=() if feasible.candidates else _least_violating(stand(pool).within(allowed).candidates, view),
        why_empty=None if front else why_empty(pool or candidates, within.by_name(), epsilon=epsilon, limits=allowed),
        guests=tuple(guest for guest in guest_views(study) if _is_within(guest, allowed)),
    )


def _check_costs(spec: StudySpec, **named: Iterable[str]) -> None:
    for field, names in named.items():
        for name in names:
            if name not in spec.costs:
                raise UnknownNameError(field, name, spec.costs)


@dataclass(frozen=True)
class Axes:
    """The coordinates of members: the drop, then each cost as a ratio to the dense model's; all of them measured."""

    objectives: Sequence[str]
    by_verification: bool

    def losses(self, members: Sequence[Member]) -> NDArray[np.float64]:
        """Return the members' coordinates, lower is better: `(n, 1 + costs)`."""
        rows = [self._coordinates(member) for member in members]
        return np.array(rows, dtype=np.float64).reshape(len(members), 1 + len(self.objectives))

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


def _is_within(model: Compressed, limits: Limits) -> bool:
    """Whether every limited cost was measured and is within its limit."""
    ratios = {cost: model.ratio(cost) for cost in limits}
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


def _judgements(study: Study, candidates: Sequence[Candidate], epsilon: float) -> Mapping[int, Judgement]:
    """Return the judgements at `epsilon` of the candidates that were to be verified, by their numbers."""
    listed = stored_list(study)
    members = listed.members if listed else ()
    tried = [c for c in candidates if c.shortlisted or c.number in members]
    return judge(tried, epsilon, listed, bought_of(study))


def _viewer(study: Study, judgements: Mapping[int, Judgement]) -> Callable[[Candidate], Member]:
    """Return a function that gives the view of a candidate with a drop or an estimate of it."""
    metric, baseline = study.context["metric"], Measured(study.baseline)
    names = study.context.get(NAMES, {})
    return lambda candidate: member_view(
        candidate, baseline, metric, judgements.get(candidate.number), distributions=names
    )


def members_of(study: Study, candidates: Sequence[Candidate]) -> list[Member]:
    """Return the views of all evaluated candidates, judged at the study's own ε."""
    spec = StudySpec.stored(study.spec)
    view = _viewer(study, _judgements(study, candidates, spec.tolerance))
    return [*map(view, filter(_has_drop, candidates))]


def _least_violating(candidates: Sequence[Candidate], view: Callable[[Candidate], Member]) -> tuple[Member, ...]:
    return tuple(map(view, sorted(candidates, key=_drop)[:LEAST_VIOLATING]))


def _drop(candidate: Candidate) -> float:
    return (candidate.outcome and candidate.outcome.drop) or 0.0
