"""Candidates: all that a study evaluated, paged, sorted and filtered, as JSON, CSV or Parquet."""

from __future__ import annotations

import io
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from api.http.access import Reader, study_for
from api.http.models import Page
from api.http.problems import ProblemError, responses
from api.http.state import Shared
from optimizer.views.member import Member

router = APIRouter(prefix="/v1", tags=["candidates"])
PARQUET, CSV, JSON = "application/vnd.apache.parquet", "text/csv", "application/json"
COLUMNS = (
    "candidate", "origin", "distribution", "parent", "accuracy", "drop", "seen", "flops", "flops_ratio", "parameters",
    "size_bytes", "latency_ratio", "energy_j", "energy_ratio", "energy_source", "divergence",
)  # fmt: skip


class Order(StrEnum):
    """What candidates are sorted by; none-valued ones come last."""

    CANDIDATE = "candidate"
    DROP = "drop"
    FLOPS = "flops_ratio"
    LATENCY = "latency_ratio"
    ENERGY = "energy_ratio"
    DIVERGENCE = "divergence"


@router.get(
    "/studies/{name}/candidates",
    response_model=Page[Member],
    responses={
        200: {"content": {CSV: {"schema": {"type": "string"}}, PARQUET: {"schema": {"type": "string"}}}},
        **responses(401, 403, 404, 406, 409, 422, 429),
    },
)
def list_candidates(
    name: str,
    state: Shared,
    caller: Reader,
    sort: Order = Order.CANDIDATE,
    descending: bool = False,  # noqa: FBT001, FBT002 - a query parameter
    max_drop: Annotated[float | None, Query(allow_inf_nan=False)] = None,
    cursor: Annotated[int, Query(ge=0, le=2**53, description="how many to pass over")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    accept: Annotated[str, Header(include_in_schema=False)] = JSON,
) -> Response:
    """List candidates. As CSV or Parquet (by `Accept`) all of them come at once, without paging.

    What trainings spent stands in all; each candidate by itself has it by epoch.
    """
    media = _media(accept)
    study = study_for(state, caller, name)
    if not study.baseline:
        raise ProblemError(409, f"study {study.slug!r} is {study.state} and has no baseline yet; ask again later")
    members = state.records.members(study)
    chosen = _sorted([m for m in members if max_drop is None or (m.drop or 0.0) <= max_drop], sort, descending)
    if media != JSON:
        return Response(_table(chosen, media), media_type=media)
    items = [member.in_a_list for member in chosen[cursor : cursor + limit]]
    following = cursor + limit
    page = Page[Member](items=items, next=str(following) if following < len(chosen) else None)
    return Response(page.model_dump_json(), media_type=JSON)


@router.get("/studies/{name}/candidates/{number}", responses=responses(401, 403, 404, 409, 422, 429))
def read_candidate(name: str, number: int, state: Shared, caller: Reader) -> Member:
    """Read one candidate with all that was measured on it."""
    study = study_for(state, caller, name)
    members = state.records.members(study) if study.baseline else []
    for member in members:
        if member.candidate == number:
            return member
    raise ProblemError(404, f"study {study.slug!r} has no candidate {number} with a drop")


def _media(accept: str) -> str:
    wanted = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    for media in wanted:
        if media in (PARQUET, CSV, JSON):
            return media
        if media in ("*/*", "application/*", "text/*", ""):
            return CSV if media == "text/*" else JSON
    raise ProblemError(406, f"candidates come as {JSON}, {CSV} or {PARQUET}")


def _sorted(members: Sequence[Member], by: Order, descending: bool) -> list[Member]:  # noqa: FBT001
    known = [m for m in members if getattr(m, by.value) is not None]
    unknown = [m for m in members if getattr(m, by.value) is None]
    return sorted(known, key=lambda m: (getattr(m, by.value), m.candidate), reverse=descending) + unknown


def _table(members: Sequence[Member], media: str) -> bytes:
    import pandas as pd

    rows = [{name: getattr(member, name) for name in COLUMNS} | {"verdict": member.verdict} for member in members]
    frame = pd.DataFrame(rows, columns=[*COLUMNS, "verdict"])
    if media == CSV:
        return frame.to_csv(index=False).encode()
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()
