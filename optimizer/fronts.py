"""Fronts of a study: what is stored, cut at an ε and at limits, and what of it nothing else dominates.

A stored study answers for any ε, other objectives and other limits without measuring anything again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from objectives.metrics import METRICS
from objectives.statistics import paired_drop_interval
from optimizer.errors import InputError
from optimizer.feasible import is_feasible
from optimizer.front import hypervolume, knee, non_dominated
from optimizer.member import FrontResult, Member
from optimizer.spec import StudySpec
from optimizer.verdicts import judge
from optimizer.views import Measured, member_view
from studies.records import Candidate, CandidateState, Study, Verdict

LEAST_VIOLATING = 3
CERTAIN = 0.98  # two-sided: a stopped candidate is decided where 99 % say that it stays above ε

Limits = Mapping[str, float]  # cost -> upper ratio to the dense model


def front_of(
    study: Study,
    candidates: Sequence[Candidate],
    *,
    epsilon: float | None = None,
    objectives: Sequence[str] | None = None,
    limits: Limits | None = None,
    only_shortlist: bool = False,
) -> FrontResult:
    """Return the front of what is stored at `epsilon` and under `limits`, both the study's own unless given.

    `only_shortlist` keeps to candidates whose costs were measured: then the front compares measured with measured.
    Where an objective was not measured for a candidate, the candidate cannot be compared and stays out.
    """
    spec = StudySpec.model_validate(dict(study.spec))
    epsilon = spec.epsilon if epsilon is None else epsilon
    objectives = tuple(objectives or spec.objectives)
    limits = study_limits(spec) if limits is None else limits
    judgements = judge(
        [c for c in candidates if c.shortlisted], epsilon, METRICS[study.context["metric"]], seed=spec.seed
    )
    baseline = Measured(study.baseline)
    pool = [c for c in candidates if c.state is CandidateState.COMPLETE and (c.shortlisted or not only_shortlist)]
    members = {c.number: member_view(c, baseline, study.context["metric"], judgements.get(c.number)) for c in pool}
    within = [c for c in pool if _is_within(members[c.number], baseline, limits)]
    feasible = [members[c.number] for c in within if is_feasible(c, epsilon)]
    comparable = [m for m in feasible if all(_ratio(m, baseline, cost) is not None for cost in objectives)]
    losses = _losses(comparable, baseline, objectives)
    front = [m for m, is_on_front in zip(comparable, non_dominated(losses), strict=True) if is_on_front]
    front.sort(key=lambda member: member.flops_ratio)
    return FrontResult(
        study=study.slug,
        epsilon=epsilon,
        objectives=objectives,
        items=tuple(front),
        knee=_knee(front, baseline, objectives),
        hypervolume=_hypervolume(front, baseline, objectives, epsilon),
        undecided=sum(_is_undecided(c, epsilon, spec.epsilon) for c in candidates),
        unverified=sum(member.verdict is Verdict.UNVERIFIED for member in front),
        least_violating=() if feasible else _least_violating([members[c.number] for c in within]),
    )


def study_limits(spec: StudySpec) -> Limits:
    """Return the spec's own limits by cost."""
    return {name.removesuffix("_ratio"): limit for name, limit in spec.limits.model_dump().items() if limit}


def _ratio(member: Member, baseline: Measured, cost: str) -> float | None:
    """Return a member's cost as a ratio to the dense model's, None where it was not measured."""
    match cost:
        case "flops":
            return member.flops_ratio
        case "latency":
            return member.latency_ratio
        case "energy":
            return member.energy_ratio
        case "parameters":
            return member.parameters / baseline.required("parameters")
        case "size":
            return member.size_bytes / baseline.required("size")
    raise InputError("objectives", f"unknown cost {cost!r}")


def _is_within(member: Member, baseline: Measured, limits: Limits) -> bool:
    """Whether every limited cost was measured and keeps its limit: what was not measured cannot be claimed."""
    ratios = {cost: _ratio(member, baseline, cost) for cost in limits}
    return all(ratio is not None and ratio <= limits[cost] for cost, ratio in ratios.items())


def _losses(members: Sequence[Member], baseline: Measured, objectives: Sequence[str]) -> NDArray[np.float64]:
    rows = [[m.drop, *(_ratio(m, baseline, cost) for cost in objectives)] for m in members]
    return np.array(rows, dtype=np.float64).reshape(len(members), 1 + len(objectives))


def _knee(front: Sequence[Member], baseline: Measured, objectives: Sequence[str]) -> int | None:
    """Return the knee's candidate number: among members that verification did not refute, if there are any."""
    standing = [member for member in front if member.verdict is not Verdict.REFUTED] or list(front)
    return standing[knee(_losses(standing, baseline, objectives))].candidate if standing else None


def _hypervolume(
    front: Sequence[Member], baseline: Measured, objectives: Sequence[str], epsilon: float
) -> float | None:
    """Return the exact volume of (drop / ε, cost ratios) below the reference point of all ones; none for ε = 0."""
    if epsilon == 0:
        return None
    losses = _losses(front, baseline, objectives)
    losses[:, 0] /= epsilon
    return hypervolume(losses, np.ones(losses.shape[1]))


def _is_undecided(candidate: Candidate, epsilon: float, own_epsilon: float) -> bool:
    """Whether a candidate was stopped at the study's ε but could still be feasible at this larger one."""
    outcome = candidate.outcome
    if candidate.state is not CandidateState.STOPPED or outcome is None or epsilon <= own_epsilon:
        return False
    if outcome.lost is None or outcome.gained is None or not outcome.seen:
        return False
    return paired_drop_interval(outcome.lost, outcome.gained, outcome.seen, level=CERTAIN).lower <= epsilon


def _least_violating(members: Sequence[Member]) -> tuple[Member, ...]:
    return tuple(sorted(members, key=lambda member: member.drop or 0.0)[:LEAST_VIOLATING])
