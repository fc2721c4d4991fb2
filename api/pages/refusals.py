"""Refusals: what the API answers as problem details, a browser that asked for a page gets as a page."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import cast
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from api.http.problems import MEDIA_TYPE
from api.pages.rendering import page

Handler = Callable[[Request, Exception], Awaitable[Response]]
NO_PAGES = ("/v1/", "/static/", "/healthz", "/readyz", "/metrics", "/openapi.json")


def show_refusals_as_pages(app: FastAPI) -> None:
    """Wrap the app's handlers of errors, all of which must be set by now."""
    for kind, handler in list(app.exception_handlers.items()):
        app.add_exception_handler(kind, _as_page(cast("Handler", handler)))


def _as_page(handler: Handler) -> Handler:
    async def handle(request: Request, error: Exception) -> Response:
        answer = await handler(request, error)
        is_problem = answer.headers.get("content-type", "").startswith(MEDIA_TYPE)
        return _page(request, answer) if is_problem and _wants_page(request) else answer

    return handle


def _wants_page(request: Request) -> bool:
    is_page = not request.url.path.startswith(NO_PAGES)
    return is_page and request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", "")


def _page(request: Request, answer: Response) -> Response:
    if answer.status_code == 401:
        asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(asked, safe='')}", status_code=303)
    problem = json.loads(bytes(answer.body))
    return page("refusal.html", caller=None, status=answer.status_code, problem=problem)
