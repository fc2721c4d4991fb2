"""Pages about one part of a study: all its candidates, what its groups explain, its log, its exports."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from pydantic import BeforeValidator

from api.http.access import NamedStudy, Reader
from api.http.kept import expires_at
from api.http.routes.importance import importances_of
from api.http.state import Shared
from api.pages.log import lines_of
from api.pages.rendering import page
from api.pages.rows import Column, Row, rows_of
from studies.jobs import JobKind
from studies.records import CandidateState, Origin, StudyState

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
ROWS, LINES = 200, 200


def _or_none(given: str) -> str | None:
    return given or None


ChosenState = Annotated[CandidateState | None, BeforeValidator(_or_none), Query(alias="state")]
ChosenOrigin = Annotated[Origin | None, BeforeValidator(_or_none)]


class Direction(StrEnum):
    """Which way a table is sorted."""

    UP = "up"
    DOWN = "down"


@router.get("/studies/{name}/candidates")
def all_candidates(
    study: NamedStudy,
    state: Shared,
    caller: Reader,
    sort: Column = Column.CANDIDATE,
    direction: Direction = Direction.UP,
    candidate_state: ChosenState = None,
    origin: ChosenOrigin = None,
    skip: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> HTMLResponse:
    """List all candidates, those that were stopped, failed or still run included."""
    chosen = [
        row
        for row in rows_of(study, state)
        if candidate_state in (None, row.candidate.state) and origin in (None, row.candidate.proposal.origin)
    ]
    rows = _sorted(chosen, sort, is_down=direction is Direction.DOWN)
    return page(
        "candidates_all.html",
        caller=caller,
        study=study,
        rows=rows[skip : skip + ROWS],
        count=len(rows),
        skip=skip,
        following=skip + ROWS if skip + ROWS < len(rows) else None,
        columns=list(Column),
        sort=sort,
        direction=direction,
        states=list(CandidateState),
        origins=list(Origin),
        chosen_state=candidate_state,
        chosen_origin=origin,
    )


def _sorted(rows: list[Row], by: Column, *, is_down: bool) -> list[Row]:
    """Sort by a column; rows without a value come last, whichever way."""
    known = [row for row in rows if row.value(by) is not None]
    unknown = [row for row in rows if row.value(by) is None]
    return [*sorted(known, key=lambda row: row.value(by), reverse=is_down), *unknown]


@router.get("/studies/{name}/importance")
def importance(study: NamedStudy, state: Shared, caller: Reader) -> HTMLResponse:
    """Show which groups' levels explain drop and costs."""
    found = importances_of(study, state) if study.baseline else []
    return page("importance.html", caller=caller, study=study, importances=found)


@router.get("/studies/{name}/exports")
def exports(study: NamedStudy, state: Shared, caller: Reader) -> HTMLResponse:
    """List the exports of a study, newest first."""
    jobs = [job for job in reversed(state.service.jobs.jobs(study.id)) if job.kind is JobKind.EXPORT]
    kept_until = {job.id: expires_at(job, state.settings.export_retention_s) for job in jobs}
    return page("exports.html", caller=caller, study=study, exports=jobs, kept_until=kept_until)


@router.get("/studies/{name}/log")
def log(
    study: NamedStudy,
    state: Shared,
    caller: Reader,
    before: Annotated[int | None, Query(ge=0, le=2**53)] = None,
    limit: Annotated[int, Query(ge=1, le=LINES)] = LINES,
) -> HTMLResponse:
    """Show what happened to a study, newest first."""
    events = state.service.events.recent(study.id, limit=limit + 1, before=before)
    older = events[limit - 1].sequence if len(events) > limit else None
    is_live = before is None and study.state in (StudyState.QUEUED, StudyState.RUNNING)
    lines = lines_of(events[:limit])
    return page("log.html", caller=caller, study=study, lines=lines, older=older, is_live=is_live)
