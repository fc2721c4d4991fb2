"""Recommendations: one member of a front, chosen by a rule that the answer explains."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.http.access import Reader, study_for
from api.http.problems import ProblemError, responses
from api.http.routes.fronts import COSTS, Cost, FrontQuery
from api.http.state import Shared
from optimizer.errors import NothingFeasibleError
from optimizer.fronts import recommendation
from optimizer.fronts.front import hypervolume, non_dominated
from optimizer.fronts.fronts import front_of
from optimizer.fronts.recommendation import (
    DROP,
    ContradictionError,
    Recommendation,
    Rule,
    UnmeasuredError,
    parsed_weights,
)
from optimizer.spec import StudySpec
from optimizer.views.member import FrontResult

router = APIRouter(prefix="/v1", tags=["fronts"])
WEIGHT = rf"^({'|'.join((DROP, *COSTS))}):[0-9]{{1,9}}(\.[0-9]{{1,9}})?$"  # other spellings of numbers work


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

    rule: Rule | None = Field(None, description="`knee` by default, `drop` on a front without ε")
    weight: list[Annotated[str, Field(json_schema_extra={"pattern": WEIGHT})]] | None = Field(
        None,
        description="for `weights`: NAME:NUMBER of drop or any cost, as drop:2; each name once",
    )
    order: list[Cost] | None = Field(
        None, description="for `lexicographic`: costs, a study's own as well; weightiest first"
    )
    max_drop: float | None = Field(None, description="for `budget`; ε by default")


@router.get("/studies/{name}/recommendation", responses=responses(401, 403, 404, 409, 422, 429))
def recommend(
    name: str,
    state: Shared,
    caller: Reader,
    query: Annotated[RecommendationQuery, Query()],
) -> Recommendation:
    """Recommend one member of the front that `query` leaves; members that verification refuted are passed over.

    409 where the rule needs a cost that was not measured, or where what is given belongs to another rule.
    """
    study = study_for(state, caller, name)
    try:
        return recommendation.recommend(
            query.of(study, state.records),
            query.rule,
            weights=parsed_weights(query.weight or []),
            order=query.order,
            max_drop=query.max_drop,
        )
    except NothingFeasibleError as error:
        raise ProblemError(404, str(error)) from error
    except (UnmeasuredError, ContradictionError) as error:
        raise ProblemError(409, str(error), field=error.field) from error


@router.get("/studies/{name}/hypervolume", responses=responses(401, 403, 404, 409, 422, 429))
def progress(name: str, state: Shared, caller: Reader) -> Progress:
    """Return how the search's hypervolume grew with its candidates."""
    study = study_for(state, caller, name)
    epsilon = StudySpec.stored(study.spec).epsilon
    if not study.baseline or not epsilon:
        raise ProblemError(409, f"study {study.slug!r} has no baseline yet, or no ε above 0 and so no hypervolume")
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
