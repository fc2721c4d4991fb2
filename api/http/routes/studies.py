"""Studies: submit, list, read, cancel, resume, delete."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from api.http.access import Caller, Reader, Writer, study_for
from api.http.admission import admit
from api.http.kept import delete_study
from api.http.models import JobView, LabelsRequest, Page, ResumeRequest, StudyRequest, StudyView
from api.http.origin import origin
from api.http.problems import ProblemError, responses
from api.http.state import Shared, State
from optimizer.fronts.result import result_of
from optimizer.logs import add_about
from optimizer.names import check_larger, fresh_slug
from optimizer.spec import StudySpec
from optimizer.views.member import RunResult
from studies.records import LONGEST_TAG, Study, StudyState
from studies.rules import study_exists
from studies.store import StudyExistsError

router = APIRouter(prefix="/v1/studies", tags=["studies"])
Limit = Annotated[int, Query(ge=1, le=500)]
IdempotencyKey = Annotated[str | None, Header(max_length=200, description="the same key makes the same study once")]
log = logging.getLogger(__name__)
GOES_ON = (StudyState.INTERRUPTED, StudyState.FAILED, StudyState.CANCELLED, StudyState.COMPLETE)


@router.post("", status_code=201, responses=responses(400, 401, 403, 404, 409, 413, 415, 422, 429))
def submit(
    request: StudyRequest, state: Shared, caller: Writer, response: Response, idempotency_key: IdempotencyKey = None
) -> StudyView:
    """Submit a study. It is queued; a worker fetches model and data and runs it."""
    spec = admit(request.spec(), state.settings)
    if spec.start_from is not None:
        spec = spec.model_copy(update={"start_from": study_for(state, caller, spec.start_from).slug})
    submitted = partial(
        state.service.submit,
        spec=spec.model_dump(mode="json"),
        owner=caller.key,
        priority=request.priority,
        candidates=spec.trials,
        context=origin(),
        idempotency_key=idempotency_key,
        request_hash=sha256(json.dumps(request.model_dump(mode="json"), sort_keys=True).encode()).hexdigest(),
    )
    study = submitted(_free(request.name, state, caller)) if request.name else _fresh(submitted, spec, state, caller)
    add_about(study=study.id)
    response.headers["Location"] = f"/v1/studies/{study.slug}"
    return StudyView.of(study)


def _free(name: str, state: State, caller: Caller) -> str:
    """Return the full name of a new study. Raises for a name that an older study of the caller's has without it."""
    older = state.service.find(name) if caller.suffix else None
    if older is not None and older.owner == caller.key:
        raise study_exists(name)
    return caller.full_name(name)


def _fresh(submitted: Callable[[str], Study], spec: StudySpec, state: State, caller: Caller) -> Study:
    """Submit under a name that is free. Of two requests at once one may find its name taken, and takes the next."""
    while True:
        try:
            return submitted(fresh_slug(spec, state.service.store, suffix=caller.suffix))
        except StudyExistsError:
            log.info("a fresh name was taken meanwhile; trying the next")


@router.get("", responses=responses(400, 401, 403, 422, 429))
def list_studies(
    state: Shared,
    caller: Reader,
    study_state: Annotated[StudyState | None, Query(alias="state")] = None,
    search: Annotated[str | None, Query(max_length=80, description="part of a name")] = None,
    tag: Annotated[str | None, Query(max_length=LONGEST_TAG)] = None,
    cursor: Annotated[int | None, Query(ge=0, le=2**53)] = None,
    limit: Limit = 50,
) -> Page[StudyView]:
    """List studies, newest first."""
    found = state.service.store.page(
        after=cursor, limit=limit + 1, state=study_state, owners=caller.seen, search=search, tag=tag
    )
    items = [StudyView.of(study) for study in found[:limit]]
    return Page(items=items, next=str(items[-1].id) if len(found) > limit else None)


@router.get("/{name}", responses=responses(401, 403, 404, 422, 429))
def read(name: str, state: Shared, caller: Reader) -> StudyView:
    """Read a study by name or number."""
    return StudyView.of(study_for(state, caller, name))


@router.patch("/{name}", responses=responses(400, 401, 403, 404, 413, 415, 422, 429))
def label(name: str, request: LabelsRequest, state: Shared, caller: Writer) -> StudyView:
    """Replace what is given of a study's tags and note."""
    study = study_for(state, caller, name, changes=True)
    return StudyView.of(state.service.store.label_study(study.id, tags=request.tags, note=request.note))


@router.get("/{name}/result", responses=responses(401, 403, 404, 409, 422, 429))
def read_result(name: str, state: Shared, caller: Reader) -> RunResult:
    """Read a whole run, as `optimize show --json` prints it."""
    return result_of(study_for(state, caller, name), state.service.store)


@router.post("/{name}/cancel", status_code=202, responses=responses(401, 403, 404, 409, 415, 422, 429))
def cancel(name: str, state: Shared, caller: Writer) -> StudyView:
    """Cancel a study. A running one stops after the candidate in flight at the latest; what it found stays."""
    study = study_for(state, caller, name, changes=True)
    if not state.service.jobs.request_cancel(study.id):
        raise ProblemError(409, f"study {study.slug!r} is {study.state}; there is nothing to cancel")
    return StudyView.of(state.service.store.study(str(study.id)))


@router.post("/{name}/resume", status_code=202, responses=responses(400, 401, 403, 404, 409, 415, 422, 429))
def resume(name: str, state: Shared, caller: Writer, request: ResumeRequest | None = None) -> JobView:
    """Resume a stopped study, or a complete one at a larger ε."""
    study = study_for(state, caller, name, changes=True)
    epsilon = request.epsilon if request else None
    if study.state not in GOES_ON or (study.state is StudyState.COMPLETE and epsilon is None):
        raise ProblemError(409, f"study {study.slug!r} is {study.state}; only a larger epsilon could add to it")
    if epsilon is not None:
        check_larger(epsilon, StudySpec.stored(study.spec))
    return JobView.of(state.service.requeue(study.id, {"epsilon": epsilon}, owner=caller.key, context=origin()))


@router.delete("/{name}", status_code=204, responses=responses(401, 403, 404, 409, 422, 429))
def delete(name: str, state: Shared, caller: Writer) -> None:
    """Delete a study with all that belongs to it, its exports included."""
    study = study_for(state, caller, name, changes=True)
    if study.state in (StudyState.RUNNING, StudyState.QUEUED):
        raise ProblemError(409, f"study {study.slug!r} is {study.state}; cancel it first")
    delete_study(state.service, study.id, state.settings.artifacts)
