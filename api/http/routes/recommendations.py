"""Recommendations: one member of a front, chosen by a rule that the answer says in words."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.http.access import Reader, study_for
from api.http.problems import ProblemError, responses
from api.http.routes.fronts import FrontQuery
from api.http.state import Shared
from optimizer.front import hypervolume, non_dominated
from optimizer.fronts import front_of
from optimizer.member import FrontResult, Member
from optimizer.spec import CostName
from studies.records import Verdict

router = APIRouter(prefix="/v1", tags=["fronts"])
COSTS = {
    "flops": "flops_ratio", "latency": "latency_ratio", "energy": "energy_ratio",
    "parameters": "parameters", "size": "size_bytes",
}  # fmt: skip


class Rule(StrEnum):
    """How a member is chosen."""

    KNEE = "knee"
    WEIGHTS = "weights"
    LEXICOGRAPHIC = "lexicographic"
    BUDGET = "budget"


class Recommendation(BaseModel):
    """The member, and why it is this one."""

    rule: Rule
    member: Member
    reason: str


class Step(BaseModel):
    """The hypervolume of the first `candidates` candidates."""

    candidates: int
    hypervolume: float


class Progress(BaseModel):
    """How the hypervolume of (drop / ε, FLOPs ratio) on the search examples grew; reference point all ones."""

    items: list[Step]


class Comparison(BaseModel):
    """Fronts of several studies side by side."""

    items: list[FrontResult]


class RecommendationQuery(FrontQuery):
    """A front's filter, and the rule."""

    rule: Rule = Rule.KNEE
    weight: list[str] | None = Field(
        None, description="for `weights`: NAME:NUMBER of drop or a cost, as drop:2; may repeat"
    )
    order: list[CostName] | None = Field(None, description="for `lexicographic`: costs, weightiest first")
    max_drop: float | None = Field(None, description="for `budget`")


@router.get("/studies/{name}/recommendation", responses=responses(401, 403, 404, 409, 422, 429))
def recommend(
    name: str,
    state: Shared,
    caller: Reader,
    query: Annotated[RecommendationQuery, Query()],
) -> Recommendation:
    """Recommend one member of the front that `query` leaves; members that verification refuted are passed over."""
    study = study_for(state, caller, name)
    front = query.of(study, state.records)
    standing = [member for member in front.items if member.verdict is not Verdict.REFUTED]
    if not standing:
        raise ProblemError(404, f"no member of {study.slug!r} is left to recommend; loosen the filter or raise epsilon")
    if query.rule is Rule.KNEE:
        return _knee(standing, front.knee)
    if query.rule is Rule.WEIGHTS:
        return _weighted(standing, _weights(query.weight or ["drop:1", "flops:1"]), front.epsilon)
    if query.rule is Rule.LEXICOGRAPHIC:
        return _lexicographic(standing, query.order or ["flops"])
    return _within_budget(standing, front.epsilon if query.max_drop is None else query.max_drop)


@router.get("/studies/{name}/hypervolume", responses=responses(401, 403, 404, 409, 422, 429))
def progress(name: str, state: Shared, caller: Reader) -> Progress:
    """Return how the search's hypervolume grew with its candidates."""
    study = study_for(state, caller, name)
    epsilon = float(study.spec["epsilon"])
    if not study.baseline or epsilon == 0:
        raise ProblemError(409, f"study {study.slug!r} has no baseline yet, or ε = 0 and so no hypervolume")
    members = state.records.members(study)
    points = np.array([((m.drop or 0.0) / epsilon, m.flops_ratio) for m in members]).reshape(-1, 2)
    steps = []
    best = np.empty((0, 2))
    for member, point in zip(members, points, strict=True):
        grown = np.vstack([best, point])
        best = grown[non_dominated(grown)]
        steps.append(Step(candidates=member.candidate + 1, hypervolume=hypervolume(best, np.ones(2))))
    return Progress(items=steps)


@router.get("/fronts", responses=responses(401, 403, 404, 409, 422, 429))
def compare(
    state: Shared, caller: Reader, study: Annotated[list[str], Query(min_length=1, max_length=20)]
) -> Comparison:
    """Compare the fronts of several studies, each at its own ε."""
    found = [study_for(state, caller, name) for name in study]
    for one in found:
        if not one.baseline:
            raise ProblemError(409, f"study {one.slug!r} is {one.state} and has no baseline yet; ask again later")
    return Comparison(items=[front_of(one, state.records.candidates(one)) for one in found])


def _knee(members: Sequence[Member], knee: int | None) -> Recommendation:
    member = next((m for m in members if m.candidate == knee), members[0])
    reason = f"candidate {member.candidate} bulges furthest between the cheapest and the most accurate member"
    return Recommendation(rule=Rule.KNEE, member=member, reason=reason)


def _weights(given: Sequence[str]) -> dict[str, float]:
    weights: dict[str, float] = {}
    for text in given:
        name, _, number = text.partition(":")
        try:
            weights[name] = float(number)
        except ValueError:
            raise ProblemError(422, f"weight {text!r} is not NAME:NUMBER", field="weight") from None
        if name not in ("drop", *COSTS) or not 0 <= weights[name] < float("inf"):
            raise ProblemError(422, f"weight {text!r}: name drop or one of {', '.join(COSTS)}", field="weight")
    return weights


def _weighted(members: Sequence[Member], weights: dict[str, float], epsilon: float) -> Recommendation:
    def loss(member: Member) -> float:
        drop = (_drop(member) / epsilon if epsilon else _drop(member)) * weights.get("drop", 0.0)
        return drop + sum(w * _cost(member, name, members) for name, w in weights.items() if name != "drop")

    member = min(members, key=lambda m: (loss(m), m.candidate))
    said = ", ".join(f"{name} × {weight:g}" for name, weight in weights.items())
    reason = f"candidate {member.candidate} has the smallest sum of {said} (drop in units of ε, costs as ratios)"
    return Recommendation(rule=Rule.WEIGHTS, member=member, reason=reason)


def _lexicographic(members: Sequence[Member], order: Sequence[str]) -> Recommendation:
    member = min(members, key=lambda m: (*(_cost(m, name, members) for name in order), _drop(m), m.candidate))
    reason = f"candidate {member.candidate} has the least {order[0]}" + "".join(f", then {name}" for name in order[1:])
    return Recommendation(rule=Rule.LEXICOGRAPHIC, member=member, reason=f"{reason}, then drop")


def _within_budget(members: Sequence[Member], max_drop: float) -> Recommendation:
    within = [member for member in members if _drop(member) <= max_drop]
    if not within:
        raise ProblemError(404, f"no member's drop is within {max_drop:g}; the least is {min(map(_drop, members)):.4f}")
    member = min(within, key=lambda m: (m.flops_ratio, m.candidate))
    reason = f"candidate {member.candidate} is the cheapest in FLOPs whose drop is within {max_drop:g}"
    return Recommendation(rule=Rule.BUDGET, member=member, reason=reason)


def _drop(member: Member) -> float:
    found = member.verification.drop if member.verification else member.drop
    return found if found is not None else float("inf")


def _cost(member: Member, name: str, members: Sequence[Member]) -> float:
    value = getattr(member, COSTS[name])
    if value is None:
        raise ProblemError(409, f"{name} was not measured on every member; choose by flops", field=name)
    if COSTS[name].endswith("_ratio"):
        return float(value)
    return float(value) / max(float(getattr(m, COSTS[name])) for m in members)
