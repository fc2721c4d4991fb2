"""The labelling page: one text at a time, answered by keys; it shows no model's answer."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from api.http.access import Reader, study_for
from api.http.routes.labels import read
from api.http.state import Shared
from api.pages.rendering import page

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/studies/{name}/labels")
def labels(name: str, state: Shared, caller: Reader) -> HTMLResponse:
    """Show the page on which a person labels the texts that are wanted."""
    study = study_for(state, caller, name)
    return page("labels.html", caller=caller, study=study, standing=read(name, state, caller))
