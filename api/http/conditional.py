"""Conditional requests: an answer that the caller or this server already holds is not computed again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, cast

from fastapi import Depends, Request, Response
from opentelemetry.trace import get_current_span
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.access import Caller, Reader, admitted, bearer, study_for
from api.http.problems import ProblemError
from api.http.state import State
from optimizer.logs import add_about
from studies.keys import Scope as KeyScope
from studies.records import Revision
from studies.store import StoreError

HELD = "/v1/studies/{name}/front"  # the route whose answers are held
FRONT = re.compile(r"/v1/studies/(?P<name>[^/]+)/front")


@dataclass(frozen=True, slots=True)
class Version:
    """What an answer about a study is computed from: the stored records and the query.

    Equal versions have equal answers. The tag counts every write, so it may change where no answer does.
    """

    study_id: int
    revision: int = field(compare=False)
    results: int
    asked: str

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that let a caller ask again cheaply."""
        query = sha256(self.asked.encode()).hexdigest()[:16]
        return {"ETag": f'"{self.study_id}-{self.revision}-{query}"', "Cache-Control": "private, no-cache"}

    def answer(self, body: bytes) -> Response:
        """Return the answer, a JSON text, under these headers."""
        return Response(body, media_type="application/json", headers=self.headers)


class Held:
    """Answers for fronts in the cache, before routing, because fronts are polled.

    304 to the caller that holds the current one; what this server holds to any other. Everything else is left to the
    route: fronts that are not in the cache, all other answers, and refusals.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        found = FRONT.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        answer = await _answer(found["name"], Request(scope)) if found else None
        if found and answer:
            scope["held"] = HELD
            get_current_span().update_name(f"GET {HELD}")
        await (answer or self._app)(scope, receive, send)


async def _answer(name: str, request: Request) -> Response | None:
    """Return the current version of the front that is asked for, if it is held and the caller may see it."""
    try:
        caller = await admitted(request, await bearer(request), KeyScope.READ)
        version = await _version_of(name, request, caller)
    except (ProblemError, StoreError):
        return None
    tags = request.headers.get("if-none-match", "")
    if version.headers["ETag"] in map(str.strip, tags.split(",")):
        return Response(status_code=304, headers=version.headers)
    body = cast("State", request.app.state.shared).answers.held(version)
    return version.answer(body) if body else None


async def _version_of(name: str, request: Request, caller: Caller) -> Version:
    state = cast("State", request.app.state.shared)

    def look() -> Revision:
        known_as = name if caller.key is None else str(study_for(state, caller, name).id)
        return state.service.revisions.of(known_as)

    is_quick = caller.key is None and state.service.revisions.are_at_hand  # else the study is read
    found = look() if is_quick else await run_in_threadpool(look)
    add_about(study=found.study_id)
    return Version(*found, asked=request.scope["query_string"].decode("latin-1"))


IF_NONE_MATCH = {  # for the documentation: no route ever reads it
    "parameters": [{"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}}]
}


async def _version(name: str, request: Request, caller: Reader) -> Version:
    return await _version_of(name, request, caller)


Current = Annotated[Version, Depends(_version)]
