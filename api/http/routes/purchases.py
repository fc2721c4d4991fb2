"""Purchases: fresh texts, for which a worker finds out which labels are wanted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from api.http.access import Reader, Writer, study_for
from api.http.admission import admit_file
from api.http.kept import SENT
from api.http.models import JobView
from api.http.origin import origin
from api.http.problems import ProblemError, responses
from api.http.state import Shared, State
from api.sent import SentFile, in_plain_names
from optimizer.certify.choice import refuse_unbuyable, rule_of, sequence_of
from optimizer.errors import InputError
from optimizer.fields.bounds import AsWritten, AtMost, Place
from optimizer.fronts.bought import Double
from optimizer.spec import StudySpec
from optimizer.tasks.texts.files import read_file
from studies.jobs import JobKind, JobNotFoundError, JobState
from studies.records import Study, StudyState

router = APIRouter(prefix="/v1/studies/{name}/purchases", tags=["labels"])
MOST = 100  # members
REMEDY = "a folder of images must be on the server and is named by its path there; a table can be sent"
LIVE = (JobState.QUEUED, JobState.RUNNING)


class PurchaseRequest(BaseModel):
    """Fresh texts without labels: a file that is sent, or the server's path of a file, or of a folder of images."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"texts": "/data/fresh.csv"}]})

    texts: Place | SentFile
    candidates: Annotated[tuple[Annotated[int, Field(ge=0, le=2**31), AsWritten()], ...], AtMost(MOST)] = Field(
        (),
        description="verified members to certify; none: those leaner than any certified that no leaner one beats",
    )
    double: Double | None = Field(
        None,
        description="which labels are asked twice; a study's first texts fix it. null: as before, at first a tenth",
    )


@router.post("", status_code=202, responses=responses(400, 401, 403, 404, 409, 413, 415, 422, 429))
def begin(name: str, request: PurchaseRequest, state: Shared, caller: Writer, response: Response) -> JobView:
    """Buy labels: a worker has the dense model and the members answer the texts; what is wanted then is at `labels`."""
    study = study_for(state, caller, name, changes=True)
    _refuse_busy(state, study)
    _refuse_unbuyable(state, study, request)
    with _placed(request.texts, state) as place:
        payload = {**place, "candidates": request.candidates, "double": request.double}
        job = state.service.jobs.enqueue(study.id, JobKind.CERTIFY, payload, owner=caller.key, context=origin())
    response.headers["Location"] = f"/v1/studies/{study.slug}/purchases/{job.id}"
    return JobView.of(job)


@router.get("/{job}", responses=responses(401, 403, 404, 422, 429))
def read(name: str, job: int, state: Shared, caller: Reader) -> JobView:
    """Read the state of a purchase that was begun over HTTP; its `result` has notes, its `error` why it failed."""
    study = study_for(state, caller, name)
    try:
        found = state.service.jobs.job(job) if 0 < job < 2**31 else None
    except JobNotFoundError:
        found = None
    if found is None or found.kind is not JobKind.CERTIFY or found.study_id != study.id:
        raise ProblemError(404, f"study {study.slug!r} has no purchase {job}")
    return JobView.of(found)


def _refuse_busy(state: State, study: Study) -> None:
    if study.state in (StudyState.RUNNING, StudyState.QUEUED):
        raise ProblemError(409, f"study {study.slug!r} is {study.state}; labels are bought once it has ended")
    for job in state.service.jobs.jobs(study.id):
        if job.kind is JobKind.CERTIFY and job.state in LIVE:
            raise ProblemError(409, f"purchase {job.id} of {study.slug!r} is {job.state}; wait for it")


def _refuse_unbuyable(state: State, study: Study, request: PurchaseRequest) -> None:
    candidates, purchases = state.records.candidates(study), state.service.store.purchases(study.id)
    for number in request.candidates:
        if number >= len(candidates):
            raise ProblemError(404, f"study {study.slug!r} has no candidate {number}", field="candidates")
    try:
        refuse_unbuyable(study, StudySpec.stored(study.spec))
        sequence_of(study, candidates, purchases, request.candidates)
        rule_of(purchases, request.double)
    except InputError as error:
        raise ProblemError(409, str(error), field=error.field) from error


@contextmanager
def _placed(texts: str | SentFile, state: State) -> Iterator[dict[str, str]]:
    """Yield where a worker finds the texts. Those that were sent are removed again if anything fails."""
    if isinstance(texts, str):
        yield {"texts": str(admit_file("texts", texts, state.settings, remedy=REMEDY))}
        return
    folder = state.settings.artifacts / f"{SENT}{uuid4().hex}"
    folder.mkdir(parents=True)
    try:
        path = texts.written(folder)
        with in_plain_names(path):
            _check(path)
        yield {"sent": f"{folder.name}/{path.name}"}
    except BaseException:
        shutil.rmtree(folder)
        raise


def _check(path: Path) -> None:
    """Raise `InputError` for a file that cannot be read."""
    try:
        read_file(path)
    except InputError as error:
        raise InputError("texts", str(error).removeprefix(f"{error.field}: ")) from error
