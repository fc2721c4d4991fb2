"""Conditional requests: an answer that the caller holds already is not made again, its query not even read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, cast

from fastapi import Depends, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.access import Caller, Reader, admitted, bearer, study_for
from api.http.problems import ProblemError
from api.http.state import State
from studies.keys import Scope as KeyScope
from studies.store import StoreError

FRONT = re.compile(r"/v1/studies/(?P<name>[^/]+)/front")


@dataclass(frozen=True, slots=True)
class Version:
    """What an answer about a study is computed from: its revision, and what was asked."""

    study_id: int
    revision: int
    asked: str

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that let a caller ask again cheaply."""
        query = sha256(self.asked.encode()).hexdigest()[:16]
        return {"ETag": f'"{self.study_id}-{self.revision}-{query}"', "Cache-Control": "private, no-cache"}


class Unchanged:
    """Answers 304 to whoever holds the current front, before any route is looked for: fronts are polled.

    Whatever else there is to say, a refusal included, the route says.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        version = await _held(scope)
        answer = self._app if version is None else Response(status_code=304, headers=version.headers)
        await answer(scope, receive, send)


async def _held(scope: Scope) -> Version | None:
    """Return the current version of the front that is asked for, if the caller holds it and may."""
    found = FRONT.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
    request = Request(scope) if found else None
    tags = request.headers.get("if-none-match") if request else None
    if found is None or request is None or tags is None:
        return None
    try:
        caller = await admitted(request, await bearer(request), KeyScope.READ)
        version = await _version_of(found["name"], request, caller)
    except (ProblemError, StoreError):
        return None
    return version if version.headers["ETag"] in map(str.strip, tags.split(",")) else None


async def _version_of(name: str, request: Request, caller: Caller) -> Version:
    state = cast("State", request.app.state.shared)

    def look() -> tuple[int, int]:
        found = state.service.store.revision(name)
        if not caller.sees_all:
            study_for(state, caller, str(found[0]))
        return found

    return Version(*await run_in_threadpool(look), asked=request.scope["query_string"].decode("latin-1"))


IF_NONE_MATCH = {  # for the documentation: no route ever reads it
    "parameters": [{"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}}]
}


async def _version(name: str, request: Request, caller: Reader) -> Version:
    return await _version_of(name, request, caller)


Current = Annotated[Version, Depends(_version)]
