"""Importance: which groups' levels explain the drop and cost of a study's candidates."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import TypeAdapter

from api.http.access import Reader, study_for
from api.http.problems import ProblemError, responses
from api.http.state import Shared, State
from optimizer.fronts.importance import Importance, importances
from optimizer.fronts.views import baseline_view
from studies.records import Study

router = APIRouter(prefix="/v1", tags=["candidates"])
LIST = TypeAdapter(list[Importance])


@router.get("/studies/{name}/importance", responses=responses(401, 403, 404, 409, 422, 429))
def read_importance(name: str, state: Shared, caller: Reader) -> list[Importance]:
    """Read, for the drop and each objective, every group's share of the variance and its rank correlation."""
    study = study_for(state, caller, name)
    if not study.baseline:
        raise ProblemError(409, f"study {study.slug!r} is {study.state} and has no baseline yet; ask again later")
    return importances_of(study, state)


def importances_of(study: Study, state: State) -> list[Importance]:
    """Return the importances of a study that has a baseline, computed once per revision."""

    def compute() -> bytes:
        dense = baseline_view(study, study.context["metric"])
        whole = dense.n if dense else 0
        return LIST.dump_json(importances(state.records.members(study), study.spec["objectives"], whole=whole))

    return LIST.validate_json(state.answers.get(("importance", study.id, study.revision), compute))
