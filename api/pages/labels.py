"""The labelling page: fresh texts are given, then answered by keys, one at a time; it shows no model's answer."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from api.http.access import Reader, study_for
from api.http.routes.labels import read
from api.http.state import Shared, State
from api.pages.rendering import page
from optimizer.fronts.bought import STAGE
from optimizer.tasks.texts.files import READERS
from studies.events import STAGE as KIND
from studies.jobs import JobKind
from studies.records import Study

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/studies/{name}/labels")
def labels(name: str, state: Shared, caller: Reader) -> HTMLResponse:
    """Show the page on which a person buys labels and gives them."""
    study = study_for(state, caller, name)
    has_bought = bool(state.service.store.purchases(study.id))
    jobs = [job for job in state.service.jobs.jobs(study.id) if job.kind is JobKind.CERTIFY]
    return page(
        "labels.html",
        caller=caller,
        study=study,
        standing=read(name, state, caller) if has_bought else None,
        purchase=jobs[-1] if jobs else None,
        progress=_progress(state, study),
        formats=",".join(READERS),
    )


def _progress(state: State, study: Study) -> str:
    """Return which model answers the texts now."""
    told = state.service.events.recent(study.id, limit=1, kind=KIND)
    return str(told[0].data["text"]) if told and told[0].data["stage"] == STAGE else ""
