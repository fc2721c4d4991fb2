"""Fronts: what is stored of a study, filtered and recommended, computed from it and never stale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response

from api.http.access import Reader, study_for
from api.http.problems import ProblemError, responses
from api.http.state import Shared
from optimizer.fronts import front_of
from optimizer.member import FrontResult, Member
from optimizer.spec import CostName
from studies.records import Study, Verdict
from studies.store import StudyStore

router = APIRouter(prefix="/v1", tags=["fronts"])
Ratio = Annotated[float | None, Query(gt=0, le=1)]


@dataclass(frozen=True)
class FrontQuery:
    """What a front is filtered by."""

    epsilon: Annotated[float | None, Query(ge=0, lt=1, allow_inf_nan=False)] = None
    objectives: Annotated[list[CostName] | None, Query(description="costs beside the drop; may repeat")] = None
    max_flops_ratio: Ratio = None
    max_latency_ratio: Ratio = None
    max_energy_ratio: Ratio = None
    max_parameters_ratio: Ratio = None
    max_size_ratio: Ratio = None
    max_energy_j: Annotated[float | None, Query(gt=0, allow_inf_nan=False, description="per inference")] = None
    min_accuracy: Annotated[float | None, Query(allow_inf_nan=False, description="of the task's metric")] = None
    verdict: Annotated[list[Verdict] | None, Query(description="may repeat")] = None

    def of(self, study: Study, store: StudyStore) -> FrontResult:
        """Return the front. Raises 409 for a study that has no baseline yet."""
        if not study.baseline:
            raise ProblemError(409, f"study {study.slug!r} is {study.state} and has no baseline yet; ask again later")
        found = front_of(
            study,
            store.candidates(study.id),
            epsilon=self.epsilon,
            objectives=self.objectives,
            limits=self._limits(study) or None,
        )
        return found.model_copy(update={"items": tuple(self._kept(found.items))})

    def _limits(self, study: Study) -> dict[str, float]:
        given = {
            "flops": self.max_flops_ratio,
            "latency": self.max_latency_ratio,
            "energy": self.max_energy_ratio,
            "parameters": self.max_parameters_ratio,
            "size": self.max_size_ratio,
        }
        if self.max_energy_j is not None:
            dense = next((m.value for m in study.baseline if m.quantity == "energy"), None)
            if dense is None:
                raise ProblemError(409, f"the energy of {study.slug!r} was not measured yet", field="max_energy_j")
            given["energy"] = min(self.max_energy_j / dense, self.max_energy_ratio or 1.0)
        return {cost: limit for cost, limit in given.items() if limit is not None}

    def _kept(self, members: Sequence[Member]) -> list[Member]:
        return [
            member
            for member in members
            if (self.min_accuracy is None or (member.accuracy is not None and member.accuracy >= self.min_accuracy))
            and (not self.verdict or member.verdict in self.verdict)
        ]


Filter = Annotated[FrontQuery, Depends()]


@router.get(
    "/studies/{name}/front",
    response_model=FrontResult,
    responses={304: {"description": "Unchanged"}, **responses(401, 403, 404, 409, 422, 429)},
)
def front(
    name: str, state: Shared, caller: Reader, query: Filter, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """Filter what is stored of a study. With `If-None-Match` an unchanged one costs a single look at its revision."""
    study_id, revision = state.service.store.revision(name)
    if not caller.sees_all:
        study_for(state, caller, str(study_id))
    tag = f'"{study_id}-{revision}-{sha256(repr(query).encode()).hexdigest()[:16]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if if_none_match is not None and tag in (part.strip() for part in if_none_match.split(",")):
        return Response(status_code=304, headers=headers)

    def compute() -> bytes:
        study = study_for(state, caller, str(study_id))
        return query.of(study, state.service.store).model_dump_json().encode()

    body = state.answers.get((study_id, revision, repr(query)), compute)
    return Response(body, media_type="application/json", headers=headers)
