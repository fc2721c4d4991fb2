"""The page of workers and queue."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from api.http.access import Reader
from api.http.routes.queue import queue_of
from api.http.state import Shared
from api.pages.rendering import page

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/queue")
def queue(state: Shared, caller: Reader) -> HTMLResponse:
    """Show which workers there are, what they run, and what waits."""
    return page("queue.html", caller=caller, queue=queue_of(state, caller))
