"""Pages of studies: the list, the form for a new one, one study, its candidates, and comparisons."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse
from pydantic import BeforeValidator

from api.http.access import NamedStudy, Reader, study_for
from api.http.models import StudyRequest
from api.http.problems import ProblemError
from api.http.state import Shared
from api.pages.candidate import detail_of
from api.pages.form import sections
from api.pages.picture import picture_of
from api.pages.rendering import page
from api.pages.standing import standing_of
from api.pages.summaries import line_of
from optimizer.certify.choice import why_unbuyable
from optimizer.fronts.fronts import front_of, study_limits
from optimizer.fronts.headline import bounds_in_words, headline
from optimizer.fronts.result import result_of
from optimizer.fronts.views import baseline_view
from optimizer.spec import StudySpec
from optimizer.views.member import BESIDE
from studies.records import StudyState

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
AT_ONCE = 20
MOST_COMPARED = 8
ENDED = (StudyState.COMPLETE, StudyState.INTERRUPTED, StudyState.FAILED, StudyState.CANCELLED)
Chosen = Annotated[StudyState | None, BeforeValidator(lambda given: given or None), Query(alias="state")]
Part = Annotated[str, Query(max_length=80)]
Epsilon = Annotated[float | None, BeforeValidator(lambda given: given or None), Query(ge=0, lt=1, allow_inf_nan=False)]
Cursor = Annotated[int | None, Query(ge=0, le=2**53)]


@router.get("/")
def list_of_studies(
    state: Shared,
    caller: Reader,
    study_state: Chosen = None,
    search: Part = "",
    tag: Part = "",
    cursor: Cursor = None,
) -> HTMLResponse:
    """List studies, newest first, with what each has found."""
    found = state.service.store.page(
        after=cursor,
        limit=AT_ONCE + 1,
        state=study_state,
        owners=caller.seen,
        search=search or None,
        tag=tag or None,
    )
    shown = found[:AT_ONCE]
    return page(
        "studies.html",
        caller=caller,
        lines=[line_of(study, state) for study in shown],
        older=shown[-1].id if len(found) > AT_ONCE else None,
        is_newest=cursor is None,
        chosen=study_state,
        search=search,
        tag=tag,
    )


@router.get("/new")
def new_study(caller: Reader) -> HTMLResponse:
    """Show the form."""
    return page("new.html", caller=caller, sections=sections(), schema=StudyRequest.model_json_schema())


@router.get("/compare")
def compare_studies(
    state: Shared, caller: Reader, study: Annotated[list[str] | None, Query(max_length=MOST_COMPARED)] = None
) -> HTMLResponse:
    """Compare the fronts of several studies."""
    if not study:
        raise ProblemError(422, "select the studies to compare in the list", field="study")
    found = [study_for(state, caller, name) for name in dict.fromkeys(study)]
    for one in found:
        if not one.baseline:
            raise ProblemError(409, f"study {one.slug!r} is {one.state} and has no baseline yet; compare it later")
    fronts = [front_of(one, state.records.candidates(one)) for one in found]
    denses = [baseline_view(one, one.context["metric"]) for one in found]
    rows = list(zip([line_of(one, state) for one in found], fronts, denses, strict=True))
    data = [
        {"front": front.model_dump(mode="json"), "baseline": dense and dense.model_dump(mode="json")}
        for _, front, dense in rows
    ]
    return page("compare.html", caller=caller, has_plots=True, rows=rows, data=data)


def _latest_event(state: Shared) -> int:
    return state.service.events.latest()


LatestEvent = Annotated[int, Depends(_latest_event)]


@router.get("/studies/{name}")
def one_study(
    after: LatestEvent, study: NamedStudy, state: Shared, caller: Reader, epsilon: Epsilon = None
) -> HTMLResponse:
    """Show a study, live; its front at its own ε or at another. Its events are followed from before it was read."""
    result = result_of(study, state.service.store)
    spec = StudySpec.stored(study.spec)
    front = front_of(study, state.records.candidates(study), epsilon=epsilon) if study.baseline else None
    return page(
        "study.html",
        caller=caller,
        has_plots=True,
        study=study,
        spec=spec,
        result=result,
        front=front,
        standing=standing_of(study, spec, state),
        picture=picture_of(state.records.members(study), front) if front else None,
        bounds=bounds_in_words(result),
        headline=headline(result) if study.baseline else None,
        beside=BESIDE,
        data={
            "result": result.model_dump(mode="json"),
            "limits": study_limits(spec),
            "epsilon": epsilon,
            "after": after,
        },
        is_ended=study.state in ENDED,
        is_buyable=study.state is StudyState.COMPLETE and why_unbuyable(study, spec) is None,
    )


@router.get("/studies/{name}/candidates/{number}")
def one_candidate(study: NamedStudy, number: int, state: Shared, caller: Reader) -> HTMLResponse:
    """Show a candidate with all that was measured on it."""
    return page("candidate.html", caller=caller, detail=detail_of(study, state, [number]))


@router.get("/studies/{name}/compare")
def compare_candidates(
    study: NamedStudy,
    state: Shared,
    caller: Reader,
    candidate: Annotated[list[int] | None, Query(max_length=MOST_COMPARED)] = None,
) -> HTMLResponse:
    """Show candidates of a study side by side."""
    if not candidate:
        raise ProblemError(422, "select the candidates to compare in the study's table", field="candidate")
    detail = detail_of(study, state, list(dict.fromkeys(candidate)))
    return page("candidates.html", caller=caller, detail=detail)
