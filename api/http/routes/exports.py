"""Exports: pruned models written by a worker, then downloaded, whole or in ranges."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from api.http.access import Caller, Reader, Writer, study_for
from api.http.downloads import Download
from api.http.kept import expires_at
from api.http.models import JobView, Page
from api.http.origin import origin
from api.http.problems import ProblemError, responses
from api.http.state import Shared, State
from optimizer.fields.bounds import AsWritten
from studies.jobs import Job, JobKind, JobNotFoundError
from studies.records import CandidateState

router = APIRouter(prefix="/v1", tags=["exports"])


class ExportRequest(BaseModel):
    """Which candidate is written, and how."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"candidate": 7}]})

    candidate: Annotated[int, Field(ge=0, le=2**31), AsWritten()]
    format: Literal["safetensors", "onnx"] = "safetensors"


@router.post(
    "/studies/{name}/exports",
    status_code=202,
    responses=responses(400, 401, 403, 404, 409, 413, 415, 422, 429),
)
def submit(name: str, request: ExportRequest, state: Shared, caller: Writer, response: Response) -> JobView:
    """Export a candidate as weights, tokenizer, manifest and model card, or as ONNX."""
    study = study_for(state, caller, name, changes=True)
    states = {candidate.number: candidate.state for candidate in state.records.candidates(study)}
    if request.candidate not in states:
        raise ProblemError(404, f"study {study.slug!r} has no candidate {request.candidate}", field="candidate")
    if states[request.candidate] is not CandidateState.COMPLETE:
        raise ProblemError(
            409,
            f"candidate {request.candidate} is {states[request.candidate]}: it has no whole evaluation to hand over",
            field="candidate",
        )
    job = state.service.jobs.enqueue(study.id, JobKind.EXPORT, request.model_dump(), owner=caller.key, context=origin())
    response.headers["Location"] = f"/v1/exports/{job.id}"
    return JobView.of(job)


@router.get("/exports", responses=responses(400, 401, 403, 422, 429))
def list_exports(
    state: Shared,
    caller: Reader,
    cursor: Annotated[int | None, Query(ge=0, le=2**53)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Page[JobView]:
    """List exports, newest first, with the moment at which their files expire."""
    found = state.service.jobs.exports(after=cursor, limit=limit + 1, owners=caller.seen)
    items = [_view(state, job) for job in found[:limit]]
    return Page(items=items, next=str(items[-1].id) if len(found) > limit else None)


@router.get("/exports/{job}", responses=responses(401, 403, 404, 422, 429))
def read(job: int, state: Shared, caller: Reader) -> JobView:
    """Read the state of an export; a finished one names its files."""
    return _view(state, _export(state, caller, job))


@router.get(
    "/exports/{job}/files/{name}",
    response_class=Download,
    responses={206: {"description": "A range"}, **responses(400, 401, 403, 404, 416, 422, 429)},
)
def download(job: int, name: str, state: Shared, caller: Reader) -> Download:
    """Download a file of an export; `Range` is honoured."""
    found = _export(state, caller, job)
    if found.result is None or name not in found.result["files"]:
        raise ProblemError(404, f"export {job} has no file {name!r}; it is {found.state}")
    root = state.settings.artifacts.resolve()
    path = (root / str(found.result["folder"]) / name).resolve()
    if not path.is_relative_to(root) or not path.is_file():
        raise ProblemError(404, f"{name!r} is no longer kept; export the candidate again")
    return Download(path, filename=Path(name).name)


def _view(state: State, job: Job) -> JobView:
    return JobView.of(job, expires_at=expires_at(job, state.settings.export_retention_s))


def _export(state: State, caller: Caller, number: int) -> Job:
    """Return an export of a study that the caller may see; all others count as missing."""
    try:
        job = state.service.jobs.job(number) if 0 < number < 2**31 else None
    except JobNotFoundError:
        job = None
    study = state.service.find(str(job.study_id)) if job and job.kind is JobKind.EXPORT else None
    if job is None or study is None or not caller.may_see(study):
        raise ProblemError(404, f"there is no export {number}")
    return job
