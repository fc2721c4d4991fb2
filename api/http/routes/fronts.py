"""Fronts: what is stored of a study, filtered and recommended, computed from it and never stale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, get_args

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from api.http.access import Reader, study_for
from api.http.cache import Records
from api.http.conditional import IF_NONE_MATCH, Current
from api.http.problems import ProblemError, responses
from api.http.state import Shared
from optimizer.errors import UnknownNameError
from optimizer.fields.bounds import Name
from optimizer.fronts.fronts import front_of
from optimizer.fronts.views import Measured
from optimizer.spec import CostName
from optimizer.views.member import FrontResult, Member
from studies.records import Study, Verdict

router = APIRouter(prefix="/v1", tags=["fronts"])
Ratio = Annotated[float | None, Field(gt=0, le=1)]
COSTS: tuple[CostName, ...] = get_args(CostName)
Cost = Annotated[Name, Field(json_schema_extra={"enum": list(COSTS)})]  # a study's own costs are taken as well


class FrontQuery(BaseModel):
    """What a front is filtered by."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epsilon: float | None = Field(None, ge=0, lt=1)
    objectives: list[Cost] | None = Field(
        None, description="costs in addition to the drop, a study's own as well; may repeat"
    )
    max_flops_ratio: Ratio = None
    max_latency_ratio: Ratio = None
    max_energy_ratio: Ratio = None
    max_parameters_ratio: Ratio = None
    max_size_ratio: Ratio = None
    max_memory_ratio: Ratio = None
    max_bit_operations_ratio: Ratio = None
    max_energy_j: float | None = Field(None, gt=0, description="per inference")
    min_accuracy: float | None = Field(None, description="of the task's metric")
    verdict: list[Verdict] | None = Field(None, description="may repeat")

    def of(self, study: Study, records: Records) -> FrontResult:
        """Return the front. Raises 409 for a study that has no baseline yet, 422 for what is no cost of the study."""
        if not study.baseline:
            raise ProblemError(409, f"study {study.slug!r} is {study.state} and has no baseline yet; ask again later")
        try:
            found = front_of(
                study,
                records.candidates(study),
                epsilon=self.epsilon,
                objectives=self.objectives,
                limits=self._limits(study) or None,
            )
        except UnknownNameError as error:
            raise ProblemError(422, str(error), field=error.field) from error
        return found.model_copy(update={"items": tuple(self._kept(found.items))})

    def _limits(self, study: Study) -> dict[str, float]:
        given: dict[str, float | None] = {cost: getattr(self, f"max_{cost}_ratio") for cost in get_args(CostName)}
        if self.max_energy_j is not None:
            dense = Measured(study.baseline).value("energy")
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


Filter = Annotated[FrontQuery, Query()]


@router.get(
    "/studies/{name}/front",
    response_model=FrontResult,
    openapi_extra=IF_NONE_MATCH,
    responses={304: {"description": "Unchanged"}, **responses(401, 403, 404, 409, 422, 429)},
)
async def front(version: Current, state: Shared, caller: Reader, query: Filter) -> Response:
    """Filter the stored candidates of a study. An unchanged front costs one look-up of its revision."""

    def compute() -> bytes:
        study = study_for(state, caller, str(version.study_id))
        return query.of(study, state.records).model_dump_json().encode()

    return version.answer(await run_in_threadpool(state.answers.get, version, compute))
