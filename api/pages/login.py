"""Logging in: a browser gives its API key once and holds it in a cookie that no script can read."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from api.http.access import COOKIE
from api.http.problems import ProblemError
from api.http.state import Shared
from api.pages.rendering import page

router = APIRouter(include_in_schema=False)


class LoginRequest(BaseModel):
    """An API key, as `optimize keys add` printed it."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(min_length=1, max_length=200)


@router.get("/login")
async def ask(state: Shared, next: str = "/") -> Response:
    """Ask for a key; where there are none, there is nothing to ask for."""
    target = local(next)
    if not await state.has_keys():
        return RedirectResponse(target, status_code=303)
    return page("login.html", caller=None, target=target)


@router.post("/login", status_code=204, response_class=HTMLResponse)
async def log_in(given: LoginRequest, request: Request, state: Shared) -> Response:
    """Accept a key, or answer 401."""
    if await run_in_threadpool(state.service.keys.find, given.key) is None:
        raise ProblemError(401, "the key is invalid or revoked", field="key")
    answer = Response(status_code=204)
    is_https = request.url.scheme == "https"
    answer.set_cookie(COOKIE, given.key, httponly=True, samesite="strict", secure=is_https)
    return answer


@router.post("/logout", status_code=204)
async def log_out() -> Response:
    """Forget the key."""
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def local(target: str) -> str:
    """Return a path on this server, the list of studies for anything else."""
    is_local = target.startswith("/") and not target.startswith("//") and "\\" not in target and target.isprintable()
    return target if is_local else "/"
