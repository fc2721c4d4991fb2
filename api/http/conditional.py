"""Conditional requests: an answer that the caller holds already is not made again, its query not even read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, cast

from fastapi import Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from api.http.access import Reader, study_for
from api.http.state import State


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


class NotModifiedError(Exception):
    """The caller holds this version."""

    def __init__(self, version: Version) -> None:
        super().__init__(version)
        self.version = version


async def not_modified(_: Request, error: Exception) -> Response:
    """Answer 304."""
    version = cast("NotModifiedError", error).version
    return Response(status_code=304, headers=version.headers)


IF_NONE_MATCH = {  # read from the request itself: every parameter that FastAPI reads costs a tenth of the whole answer
    "parameters": [{"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}}]
}


async def _version(name: str, request: Request, caller: Reader) -> Version:
    state, held = cast("State", request.app.state.shared), request.headers.get("if-none-match")

    def look() -> tuple[int, int]:
        found = state.service.store.revision(name)
        if not caller.sees_all:
            study_for(state, caller, str(found[0]))
        return found

    version = Version(*await run_in_threadpool(look), asked=request.scope["query_string"].decode("latin-1"))
    if held is not None and version.headers["ETag"] in (part.strip() for part in held.split(",")):
        raise NotModifiedError(version)
    return version


Current = Annotated[Version, Depends(_version)]
